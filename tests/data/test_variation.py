"""Constant training images are refused; those with little variation are not."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from aca_ray.data.image_set import ImageSet
from aca_ray.data.variation import check_variation, spread
from aca_ray.errors import DataError


def halves(pixels: np.ndarray) -> list[ImageSet]:
    images = ImageSet(torch.from_numpy(pixels), torch.arange(len(pixels)) % 2)
    return [images.rows(0, len(images) // 2), images.rows(len(images) // 2, len(images))]


def test_one_constant_is_refused() -> None:
    for levels in ((0, 0, 0), (255, 255, 255), (10, 200, 90)):
        pixels = np.tile(np.array(levels, np.uint8)[:, None, None], (40, 1, 8, 8))
        with pytest.raises(DataError, match=r"^x: .*one constant.* 40 images"):
            check_variation("x", halves(pixels))


def test_the_threshold_is_half_a_gray_level() -> None:
    pixels = np.zeros((40, 1, 8, 8), np.uint8)
    pixels[:, :, ::2] = 1  # a deviation of exactly half a level
    pixels[0, 0, 0, 0] = 3
    check_variation("x", halves(pixels))
    pixels[:, :, 6] = 0
    with pytest.raises(DataError, match="one constant"):
        check_variation("x", halves(pixels))


def test_one_channel_that_varies_is_enough() -> None:
    pixels = np.zeros((40, 3, 8, 8), np.uint8)
    pixels[:, 1] = np.random.default_rng(0).integers(0, 256, (40, 8, 8))
    check_variation("x", halves(pixels))


def test_constant_images_of_differing_levels_are_accepted() -> None:
    check_variation("x", halves(np.tile(np.arange(40, dtype=np.uint8)[:, None, None, None], (1, 1, 8, 8))))


def test_copies_of_one_image_are_refused() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 3, 8, 8), dtype=np.uint8)
    pixels = np.repeat(image, 40, axis=0)
    with pytest.raises(DataError, match=r"^x: .*same image.*40"):
        check_variation("x", halves(pixels))
    pixels[39, 0, 0, 0] ^= 1
    check_variation("x", halves(pixels))


def test_rows_are_spread_evenly() -> None:
    assert spread(0, 128).tolist() == []
    assert spread(5, 128).tolist() == [0, 1, 2, 3, 4]
    rows = spread(1000, 128)
    assert (len(rows), int(rows[0]), int(rows[-1])) == (128, 0, 992)
    assert rows.diff().unique().tolist() == [7, 8]
