"""The interface of a data set in the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aca_ray.data.image_set import PADDING_SHARE, ImageFacts, Images, PerChannel

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Key:
    """A key of a data mapping that only some sources take; its value is a non-empty string, a list of them, or a flag.

    Attributes:
        kind: `files` are local paths or object-store URIs of a file, a folder or a glob, one or a list of them;
            `folder` is a local directory that need not exist yet; `images` is one that must exist; `text` is anything.
            The value of a `flag` is true or false.
        default: the value when the key is absent; None makes the key required.
    """

    kind: Literal["files", "folder", "images", "text", "flag"]
    default: str | bool | None = None


@dataclass(frozen=True)
class Source:
    """A kind of data set.

    The loaders get the data mapping, its keys checked and its defaults filled in, and the largest number of rows
    wanted (None: all); they return the first rows of their split and raise DataError.

    Attributes:
        name: the registry name.
        summary: description of the images, one phrase.
        keys: the keys it takes besides those of every source.
        flip: whether training images are mirrored by default; false if that could change the label, or if the program
            can't know.
        normalization: published per-channel mean and deviation (fractions), or None to compute them.
        load_train: returns the training images and the class names by label; never touches the test split.
        load_test: returns the test images, given the class names of the training images.
        origin: names the place of a split, for messages and records.
        padding_share: padding of the random crop, as a share of the height; 0 if images are cropped as they are read.
        color: whether the colors of training images are changed at random by default.
        facts: facts about the images that are known without opening a file, or None.
    """

    name: str
    summary: str
    keys: Mapping[str, Key]
    flip: bool
    normalization: tuple[PerChannel, PerChannel] | None
    load_train: Callable[[Mapping[str, Any], int | None], tuple[Images, tuple[str, ...]]]
    load_test: Callable[[Mapping[str, Any], int | None, tuple[str, ...]], Images]
    origin: Callable[[Mapping[str, Any], Split], str]
    padding_share: float = PADDING_SHARE
    color: bool = False
    facts: ImageFacts | None = None


def is_uri(location: str) -> bool:
    """Return whether a location names an object store (s3://, gs://, file://...) and not a local path."""
    return "://" in location
