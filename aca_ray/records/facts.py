"""Facts in a record: the data of a trial, the cost of its checkpoints, and the pack of a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import FailFast, Field

from aca_ray.records.checking import Count, Positive, Seconds, Text

MOST_CLASSES = 1_000_000  # ImageNet-21k has 21,841
Pixels = Annotated[int, Field(ge=1, le=1 << 16)]


@dataclass(frozen=True)
class DataFacts:
    """The data of a trial as they were read.

    Attributes:
        name: registry name of the data set.
        num_classes: number of classes.
        class_names: names of the classes by label; empty if unknown.
        channels: 1 (gray) or 3 (RGB).
        height: pixels.
        width: pixels.
        mean: per channel, as a fraction of the full range.
        std: per channel, as a fraction of the full range.
        digest: SHA-256 of the training images and labels in use.
        source: place that the training images come from.
        augmentation: active augmentation of a training batch, such as `crop and flip`.
        num_images: training images in use.
    """

    name: Text
    num_classes: Annotated[int, Field(ge=1, le=MOST_CLASSES)]
    class_names: Annotated[tuple[Text, ...], FailFast(), Field(max_length=MOST_CLASSES)]
    channels: Literal[1, 3]
    height: Pixels
    width: Pixels
    mean: tuple[float, ...]
    std: tuple[float, ...]
    digest: Text
    source: Text
    augmentation: Text
    num_images: Count


@dataclass(frozen=True)
class Checkpointing:
    """The number and cost of a trial's checkpoints: the fields of `Cadence` in `trials/`, which explains them."""

    num_saves: Count = 0
    saving_seconds: Seconds = 0.0
    training_seconds: Seconds = 0.0
    longest_seconds: Seconds = 0.0
    cost_seconds: Seconds | None = None
    epoch_seconds: Seconds = 0.0
    work_seconds: Seconds = 0.0


@dataclass(frozen=True)
class Packed:
    """The pack of a search.

    Attributes:
        searches: number of searches in the pack.
        passes: forward passes that they requested.
        computed: forward passes that were computed.
    """

    searches: Positive
    passes: Count
    computed: Count
