"""A tiny retraining on images of two distinguishable classes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from aca_ray.data import DataInfo, ImageSet, RetrainingData
from aca_ray.retraining import Protocol, Retraining
from aca_ray.space import ChannelPlan, EdgePlan, Genotype
from aca_ray.space.published import parse_cell

GENOTYPE = Genotype(parse_cell("s3-1 sk-0 | d3-2 mp-0"), parse_cell("mp-0 s3-1 | sk-0 ap-2"))
PROTOCOL = Protocol(name="tiny", source="test", channels=4, num_cells=3, epochs=2, batch_size=8, drop_path=0.5)
PLAN = ChannelPlan("taylor", "sign", ((EdgePlan(0.75, (1, 0, 3, 2)),) * 4,) * 5)


def halved_images(num_images: int, size: int, seed: int) -> ImageSet:
    """Noisy gray images, brighter at the top (label 0) or at the bottom (label 1)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num_images) % 2
    images = torch.randint(0, 100, (num_images, 1, size, size), generator=generator, dtype=torch.uint8)
    for image, label in zip(images, labels.tolist(), strict=True):
        image[:, label * size // 2 : (label + 1) * size // 2] += 120
    return ImageSet(images, labels)


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def make_data() -> Callable[[int], RetrainingData]:
    """Return a function from an image size to 16 training and 6 test images."""

    def make(size: int) -> RetrainingData:
        info = DataInfo(
            name="halves",
            num_classes=2,
            class_names=("top", "bottom"),
            channels=1,
            height=size,
            width=size,
            mean=(0.4,),
            std=(0.3,),
            flip=True,
            digest="0" * 64,
            source="made",
        )
        return RetrainingData(info, halved_images(16, size, seed=1), halved_images(6, size, seed=2))

    return make


@pytest.fixture
def build(make_data: Callable[[int], RetrainingData]) -> Callable[..., Retraining]:
    """Return a function that builds a retraining with two steps per epoch."""

    def build_retraining(
        protocol: Protocol = PROTOCOL, plan: ChannelPlan | None = PLAN, *, size: int = 8, seed: int = 3
    ) -> Retraining:
        return Retraining(GENOTYPE, plan, make_data(size), protocol, seed=seed, device=torch.device("cpu"))

    return build_retraining


@pytest.fixture
def protocol() -> Protocol:
    return PROTOCOL
