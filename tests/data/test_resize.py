"""Images scaled to the size that the data mapping chooses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aca_ray.data import ImageFacts, ImageSet, load_retraining_data, load_search_data, validate_data
from aca_ray.data import image_set as module
from aca_ray.data.image_set import channel_statistics
from aca_ray.errors import ConfigError, DataError
from aca_ray.trials.datasets import DataRef, describe_data, recorded_facts

DIGITS = {"name": "digits", "max_train_images": 40, "max_test_images": 12}
SMALLER = {**DIGITS, "resize": 4}


def set_of(images: Tensor) -> ImageSet:
    return ImageSet(images, torch.arange(len(images)))


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randint(256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def halving(size: int) -> Tensor:
    """Return the weights of a side's pixels in those of the halved side; pixels beyond the edges have none."""
    weights = torch.zeros(size // 2, size, dtype=torch.float64)
    for row in range(size // 2):
        for offset, weight in zip(range(-1, 3), (1, 3, 3, 1), strict=True):
            if 0 <= 2 * row + offset < size:
                weights[row, 2 * row + offset] = weight
    return weights / weights.sum(dim=1, keepdim=True)


def test_halving_by_hand() -> None:
    row = torch.tensor([0, 80, 160, 240, 80, 0, 40, 200], dtype=torch.uint8)
    # (80 + 3 * 160 + 3 * 240 + 80) / 8 and (240 + 3 * 80 + 0 + 40) / 8 inside; 400 / 7 and 720 / 7 at the edges.
    expected = [57, 170, 65, 103]
    wide = set_of(row.expand(1, 1, 8, 8).contiguous()).resize(4).images
    assert wide.tolist() == [[[expected] * 4]]
    high = set_of(row[:, None].expand(1, 1, 8, 8).contiguous()).resize(4).images
    assert high.transpose(2, 3).tolist() == [[[expected] * 4]]


@pytest.mark.parametrize("channels", [1, 3])
def test_halving_matches_the_weights_along_both_sides(channels: int) -> None:
    images = set_of(drawn(20, channels, 16, 16))
    exact = halving(16) @ images.images.double() @ halving(16).T
    found = images.resize(8)
    assert (found.images.dtype, found.shape) == (torch.uint8, (channels, 8, 8))
    assert torch.equal(found.labels, images.labels)
    decided = (exact - exact.floor() - 0.5).abs() > 1e-3  # float32 decides how halves are rounded
    assert decided.double().mean() > 0.95
    assert torch.equal(found.images[decided].double(), exact.round()[decided])


def test_resizing_to_the_original_size_changes_nothing() -> None:
    images = set_of(drawn(3, 3, 8, 8))
    assert images.resize(8) is images
    other = load_search_data({**DIGITS, "resize": 8}).info
    assert replace(other, resized=False) == load_search_data(DIGITS).info


@pytest.mark.parametrize("size", [4, 12, 20, 64])
def test_constant_images_stay_constant(size: int) -> None:
    plain = torch.tensor([0, 1, 127, 254, 255], dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 10, 7).contiguous()
    found = set_of(plain).resize(size)
    assert found.shape == (3, size, size)
    assert torch.equal(found.images, plain[:, :, :1, :1].expand(5, 3, size, size))


def test_images_are_resized_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    images = set_of(drawn(7, 3, 8, 8))
    whole = images.resize(4)
    monkeypatch.setattr(module, "_IMAGES_PER_CHUNK", 3)
    assert torch.equal(images.resize(4).images, whole.images)


def test_both_splits_are_resized_and_described() -> None:
    plain, resized = load_retraining_data(DIGITS), load_retraining_data(SMALLER)
    for split in ("train", "test"):
        own, its = getattr(resized, split), getattr(plain, split)
        assert torch.equal(own.images, its.resize(4).images)
        assert torch.equal(own.labels, its.labels)
        assert own.shape == (1, 4, 4)
    info = resized.info
    assert (info.height, info.width, info.resized) == (4, 4, True)
    assert (info.mean, info.std) == channel_statistics(resized.train)
    assert info.std != plain.info.std
    assert info.digest != plain.info.digest
    assert info.augmentation == "crop, resized to 4x4 (antialiased bilinear)"
    assert load_search_data(SMALLER).info == info
    assert load_retraining_data({**SMALLER, "crop": False}).info.augmentation.startswith("none, resized to 4x4")
    described = describe_data(info, 40)
    assert (described.height, described.width, described.augmentation) == (4, 4, info.augmentation)
    assert (recorded_facts(described).height, recorded_facts(described).std) == (4, info.std)


def test_facts_known_without_reading_are_of_the_resized_images(tmp_path: Path) -> None:
    def facts_of(data: dict[str, Any]) -> ImageFacts:
        return DataRef(data, tmp_path).image_facts()

    facts, resized = (facts_of({"name": "cifar10", **more}) for more in ({}, {"resize": 16}))
    assert resized == replace(facts, height=16, width=16)
    with pytest.raises(ConfigError, match=r"^data\.resize: must be a multiple of 4"):
        facts_of({"name": "cifar10", "resize": 5})
    assert facts_of({"name": "imagenet", "resize": 128}).width == 128
    found = load_retraining_data(SMALLER).info
    assert (facts_of(SMALLER).height, facts_of(SMALLER).mean) == (4, found.mean)


@pytest.mark.parametrize("size", [0, 2, 6, -4, 4100, 8.0, "8", True, None, [8]])
def test_invalid_sizes(size: object) -> None:
    (problem,) = validate_data({"name": "digits", "resize": size}, "d")
    assert problem.startswith("d.resize: must be a multiple of 4 from 4 to 4096")
    assert f"found {size!r}" in problem


def test_files_of_unsupported_sizes(encode, random_pixels, write_parquet) -> None:
    pixels = random_pixels(8, size=10)
    paths = {
        name: write_parquet(f"{name}.parquet", [encode(one) for one in pixels], [0, 1] * 4)
        for name in ("train", "test")
    }
    with pytest.raises(DataError, match=r"10x10.*resize"):
        load_search_data({"name": "parquet", **paths})
    data = load_retraining_data({"name": "parquet", **paths, "resize": 8})
    expected = set_of(torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous()).resize(8)
    assert torch.equal(data.train.images, expected.images)
    assert torch.equal(data.test.images, expected.images)
    assert data.info.mean == channel_statistics(expected)[0]
