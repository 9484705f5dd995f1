"""Tiny images, searches and scores to check with."""

from __future__ import annotations

import io
import math
from typing import Any

import torch
from torch import Tensor

from aca_ray.data import DataInfo, SearchData
from aca_ray.data.image_set import ImageSet
from aca_ray.methods import darts
from aca_ray.methods.core import SearchMethod
from aca_ray.search.search import Search
from aca_ray.space import Space

NUM_CLASSES = 3
_CPU = torch.device("cpu")


def images(num_images: int, seed: int) -> ImageSet:
    """Return (N, 3, 8, 8) noisy images, one of three thirds of each brighter: the label says which."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(NUM_CLASSES, (num_images,), generator=generator)
    pixels = torch.randint(0, 100, (num_images, 3, 8, 8), generator=generator, dtype=torch.uint8)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, 3 * label : 3 * label + 3] += 120
    return ImageSet(pixels, labels)


def data() -> SearchData:
    """Return data of a search with two steps per epoch."""
    info = DataInfo(
        name="stripes",
        num_classes=NUM_CLASSES,
        class_names=("top", "middle", "bottom"),
        channels=3,
        height=8,
        width=8,
        mean=(0.35,) * 3,
        std=(0.25,) * 3,
        flip=True,
        digest="0" * 64,
        source="made",
    )
    return SearchData(info, images(16, seed=1), images(16, seed=2))


def search(method: SearchMethod, space: Space, num_epochs: int = 2) -> Search:
    """Return a search of three cells at its first step, on the CPU."""
    channels = math.lcm(4, method.on(space).channel_divisor)
    sizes: dict[str, Any] = {"channels": channels, "num_cells": 3, "num_epochs": num_epochs, "batch_size": 8}
    return Search(method, space, data(), seed=3, device=_CPU, **sizes)


def searched(space: Space) -> Search:
    """Return a search of DARTS after a few steps."""
    begun = search(darts.METHOD, space)
    for index in range(2):
        begun.step(0, index)
    return begun


def through_a_file(state: Any) -> Any:
    """Return a state as checkpoints store it: tensors and plain values alone."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def first_difference(one: Any, other: Any, place: str = "state") -> str | None:
    """Return the first place where two nested states differ in a single bit, or None."""
    if type(one) is not type(other):
        return f"{place} (type)"
    if isinstance(one, Tensor):
        return None if one.dtype == other.dtype and torch.equal(one, other) else place
    if isinstance(one, dict):
        if list(one) != list(other):
            return f"{place} (keys)"
        pairs = [(one[key], other[key], f"{place}/{key}") for key in one]
    elif isinstance(one, list | tuple):
        if len(one) != len(other):
            return f"{place} (length)"
        pairs = [(a, b, f"{place}/{index}") for index, (a, b) in enumerate(zip(one, other, strict=True))]
    else:
        return None if one == other else place
    return next((found for pair in pairs if (found := first_difference(*pair)) is not None), None)
