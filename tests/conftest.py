"""Tiny searches on images that can be told apart."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from aca_ray.data import DataInfo, ImageSet, SearchData
from aca_ray.methods.core import SearchMethod
from aca_ray.search.search import Search
from aca_ray.space import Space

BuildSearch = Callable[..., Search]


def striped_images(num_images: int, seed: int) -> ImageSet:
    """Images of 8x8 pixels, noisy, one of three thirds of each brighter: the label says which."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(3, (num_images,), generator=generator)
    images = torch.randint(0, 100, (num_images, 3, 8, 8), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, 3 * label : 3 * label + 3] += 120
    return ImageSet(images, labels)


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def search_data() -> SearchData:
    info = DataInfo(
        name="stripes",
        num_classes=3,
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
    return SearchData(info, striped_images(16, seed=1), striped_images(16, seed=2))


@pytest.fixture
def build_search(search_data: SearchData) -> BuildSearch:
    """Return a function that builds a search with two steps per epoch."""

    def build(method: SearchMethod, space: Space, *, num_epochs: int = 2, num_cells: int = 5, seed: int = 3) -> Search:
        return Search(
            method,
            space,
            search_data,
            channels=math.lcm(4, method.channel_divisor),
            num_cells=num_cells,
            num_epochs=num_epochs,
            seed=seed,
            device=torch.device("cpu"),
            batch_size=8,
        )

    return build


@pytest.fixture
def through_a_file(tmp_path: Path) -> Callable[[Any], Any]:
    """Return a function that writes a state and reads it back as checkpoints do: tensors and plain values alone."""

    def round_trip(state: Any) -> Any:
        torch.save(state, tmp_path / "state")
        return torch.load(tmp_path / "state", weights_only=True)

    return round_trip


@pytest.fixture(scope="session")
def differences() -> Callable[[Any, Any], list[str]]:
    """Return a function that returns the places where two nested states differ in a single bit."""

    def between(one: Any, other: Any, place: str = "state") -> list[str]:
        if type(one) is not type(other):
            return [f"{place}: type"]
        if isinstance(one, dict):
            if list(one) != list(other):
                return [f"{place}: keys"]
            return [found for key in one for found in between(one[key], other[key], f"{place}/{key}")]
        if isinstance(one, list | tuple):
            if len(one) != len(other):
                return [f"{place}: length"]
            pairs = enumerate(zip(one, other, strict=True))
            return [found for index, pair in pairs for found in between(*pair, f"{place}/{index}")]
        if isinstance(one, Tensor):
            return [] if one.dtype == other.dtype and torch.equal(one, other) else [place]
        return [] if one == other else [place]

    return between
