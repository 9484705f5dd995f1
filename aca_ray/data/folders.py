"""Images of one size in class folders of any names, TRAIN/CLASS/*.png and TEST/CLASS/*.png, decoded into memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aca_ray.data.class_folders import list_shuffled, require_same_classes
from aca_ray.data.image_decoding import decode_image
from aca_ray.data.image_set import ImageSet
from aca_ray.data.source import Key, Source, Split
from aca_ray.data.stacking import stack_images
from aca_ray.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _load(data: Mapping[str, Any], split: Split, limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    root = _folder(data, split)
    paths, labels, classes = list_shuffled(root, limit)
    pixels = stack_images(
        _decoded(root, paths), len(paths), lambda row: str(root / paths[row]), str(root), data.get("resize")
    )
    return ImageSet(pixels, labels), classes


def _decoded(root: Path, paths: tuple[str, ...]) -> Iterator[NDArray[np.uint8]]:
    for path in paths:
        try:
            yield decode_image((root / path).read_bytes())
        except (OSError, ValueError) as error:
            raise DataError(f"{root / path}: can't be read as an image ({error}); replace the file") from error


def _load_train(data: Mapping[str, Any], limit: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    return _load(data, "train", limit)


def _load_test(data: Mapping[str, Any], limit: int | None, class_names: tuple[str, ...]) -> ImageSet:
    images, found = _load(data, "test", limit)
    require_same_classes(_folder(data, "test"), found, _folder(data, "train"), class_names)
    return images


def _folder(data: Mapping[str, Any], split: Split) -> Path:
    return Path(data[split]).expanduser()


FOLDERS = Source(
    name="folders",
    summary="two folders with a folder per class, of images that have one size (or any, with `resize`); in memory",
    keys={"train": Key("images"), "test": Key("images")},
    # Only the owner of the images knows whether mirrored ones keep their labels.
    flip=False,
    normalization=None,
    load_train=_load_train,
    load_test=_load_test,
    origin=lambda data, split: str(_folder(data, split)),
)
