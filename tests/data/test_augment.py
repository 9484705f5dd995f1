"""Augmentation against per-image slicing and pixel-by-pixel loops that use the same draws."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from aca_ray.data import (
    NO_AUGMENTATION,
    Augmentation,
    cutout,
    normalize,
    random_crop,
    random_flip,
    standard_augmentation,
)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def random_images(count=50, channels=3, height=8, width=12, seed=1):
    return torch.randint(256, (count, channels, height, width), generator=generator(seed), dtype=torch.uint8)


def test_normalize_matches_numpy(make_info):
    info, images = make_info(), random_images()
    pixels = images.numpy().astype(np.float64) / 255
    expected = (pixels - np.array(info.mean)[:, None, None]) / np.array(info.std)[:, None, None]
    result = normalize(images, info)
    assert result.dtype == torch.float32
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", [1, 2, 4])
def test_crop_is_padding_and_slicing_image_by_image(padding):
    images = random_images()
    result = random_crop(images, padding, generator(7))
    rows, columns = torch.randint(2 * padding + 1, (2, len(images)), generator=generator(7)).tolist()
    for image, cropped, row, column in zip(images, result, rows, columns, strict=True):
        padded = pad(image, (padding,) * 4)
        assert torch.equal(cropped, padded[:, row : row + 8, column : column + 12])
    assert {*rows} == {*columns} == {*range(2 * padding + 1)}
    assert result.dtype == torch.uint8


def test_crop_without_padding_changes_nothing():
    images = random_images()
    assert torch.equal(random_crop(images, 0, generator()), images)


def test_flip_mirrors_the_drawn_half():
    images = random_images(count=400)
    result = random_flip(images, generator(3))
    mirrored = 0
    for image, flipped, drawn in zip(images, result, torch.randint(2, (400,), generator=generator(3)), strict=True):
        expected = image.numpy()[:, :, ::-1] if drawn else image.numpy()
        assert np.array_equal(flipped.numpy(), expected)
        mirrored += int(drawn)
    assert 150 < mirrored < 250


@pytest.mark.parametrize("length", [2, 4, 5])
def test_cutout_matches_the_loop_of_its_paper(length):
    images = torch.ones(60, 2, 8, 12)
    result = cutout(images, length, generator(5))
    drawn = generator(5)
    rows = torch.randint(8, (60,), generator=drawn).tolist()
    columns = torch.randint(12, (60,), generator=drawn).tolist()
    for cut, row, column in zip(result, rows, columns, strict=True):
        top, bottom = (int(np.clip(row + sign * (length // 2), 0, 8)) for sign in (-1, 1))
        left, right = (int(np.clip(column + sign * (length // 2), 0, 12)) for sign in (-1, 1))
        expected = np.ones((2, 8, 12), np.float32)
        expected[:, top:bottom, left:right] = 0
        assert np.array_equal(cut.numpy(), expected)
    areas = (result[:, 0] == 0).sum(dim=(1, 2))
    assert areas.max() == (length // 2 * 2) ** 2
    assert areas.min() < areas.max(), "squares at the border are clipped"
    assert torch.equal(images, torch.ones_like(images)), "the input is unchanged"


def test_augmentation_is_its_steps_in_order(make_info):
    info, images = make_info(height=8, width=12), random_images()
    result = Augmentation(padding=2, flip=True, cutout_length=4)(images, info, generator(9))
    steps = generator(9)
    expected = random_flip(random_crop(images, 2, steps), steps)
    assert torch.equal(result, cutout(normalize(expected, info), 4, steps))


def test_uncovered_pixels_are_black_before_normalization(make_info):
    info = make_info()
    white = torch.full((30, 3, 8, 8), 255, dtype=torch.uint8)
    values = Augmentation(padding=4, flip=False, cutout_length=0)(white, info, generator())
    for channel in range(3):
        black = (0 - info.mean[channel]) / info.std[channel]
        assert values[:, channel].min().item() == pytest.approx(black, rel=1e-5)


def test_no_augmentation_only_normalizes(make_info):
    images = random_images()
    info = make_info()
    assert torch.equal(NO_AUGMENTATION(images, info, generator()), normalize(images, info))


@pytest.mark.parametrize(("height", "padding", "length"), [(32, 4, 16), (8, 1, 4), (28, 3, 14)])
def test_standard_augmentation_scales_with_the_height(make_info, height, padding, length):
    info = make_info(height=height, flip=False)
    assert standard_augmentation(info, cutout=True) == Augmentation(padding, False, length)
    assert standard_augmentation(make_info(height=height)) == Augmentation(padding, True, 0)
    assert standard_augmentation(make_info(height=height, crop=False), cutout=True) == Augmentation(0, True, length)


@pytest.mark.gpu
def test_draws_do_not_depend_on_the_device(make_info):
    images, info = random_images(), make_info()
    augmentation = Augmentation(padding=2, flip=True, cutout_length=4)
    on_cpu = augmentation(images, info, generator(2))
    on_gpu = augmentation(images.cuda(), info, generator(2))
    torch.testing.assert_close(on_gpu.cpu(), on_cpu)
    assert torch.equal(on_gpu.cpu() == 0, on_cpu == 0)


def test_draws_come_from_the_given_generator_alone(make_info):
    """The global generator is neither used nor changed; the meta device has no generator at all."""
    images, info = random_images(), make_info()
    augmentation = Augmentation(padding=2, flip=True, cutout_length=4)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = augmentation(images, info, generator(2))
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert torch.equal(augmentation(images, info, generator(2)), first)
    on_meta, after = generator(2), generator(2)
    assert augmentation(images.to("meta"), info, on_meta).shape == first.shape
    augmentation(images, info, after)
    assert torch.equal(on_meta.get_state(), after.get_state()), "the same number of draws on every device"
