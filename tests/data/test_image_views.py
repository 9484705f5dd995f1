"""Training and evaluation views against torchvision's own transforms, and draws against their distribution."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from aca_ray.data.image_views import Box, ViewDraws, crop_box, draw_views, evaluation_view, training_view

UNCHANGED = [0.5] * 4  # the middle of every color change
IN_ORDER = [0.0, 0.1, 0.2, 0.3]


def photograph(height: int, width: int) -> Image.Image:
    pixels = np.random.default_rng(0).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def test_box_of_known_draws() -> None:
    # Area 0.54 of 100x50, square: a side of sqrt(2700) = 51.96 is too high for the second attempt to be needed.
    assert crop_box(50, 100, [[0.5, 0.5, 0.0, 0.0], [0.0, 0.5, 0.999, 0.999]]) == Box(30, 80, 20, 20)
    assert crop_box(60, 100, [[0.0, 0.5, 0.5, 0.0]]) == Box(19, 0, 22, 22)  # sqrt(480) is 21.9; 39 tops, the middle
    assert crop_box(90, 120, [[1.0, 1.0, 0.0, 0.0]]) == Box(0, 0, 90, 120)
    assert crop_box(120, 90, [[1.0, 0.0, 0.0, 0.0]]) == Box(0, 0, 120, 90)


@pytest.mark.parametrize(("size", "expected"), [((300, 30), (130, 0, 40, 30)), ((30, 300), (0, 130, 30, 40))])
def test_without_a_fitting_attempt_the_crop_is_centered(size: tuple[int, int], expected: tuple[int, ...]) -> None:
    never = [[1.0, 0.5, 0.0, 0.0]] * 10
    box = crop_box(*size, never)
    assert box == expected
    scale = torch.zeros(3, *size)
    # With the whole area asked for, no attempt of torchvision fits either.
    assert transforms.RandomResizedCrop.get_params(scale, [1.0, 1.0], [3 / 4, 4 / 3]) == expected


def test_boxes_are_distributed_as_torchvisions() -> None:
    height, width, count = 80, 120, 4000
    torch.manual_seed(0)
    image = torch.zeros(3, height, width)
    theirs = np.array(
        [transforms.RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(count)]
    )
    ours = np.array([crop_box(height, width, draws.crop) for draws in draw_views(count, torch.Generator())])
    assert (ours[:, 0] + ours[:, 2] <= height).all()
    assert (ours[:, 1] + ours[:, 3] <= width).all()
    assert ours.min() >= 0
    from scipy.stats import ks_2samp

    for column in range(4):
        assert ks_2samp(ours[:, column], theirs[:, column]).pvalue > 1e-3


def test_draws_come_from_the_generator_alone() -> None:
    first, again = (draw_views(3, torch.Generator().manual_seed(5)) for _ in range(2))
    assert first == again
    assert len({tuple(draws.colors) for draws in first}) == 3
    orders = Counter(
        tuple(np.argsort(draws.order).tolist()) for draws in draw_views(4800, torch.Generator().manual_seed(1))
    )
    assert len(orders) == 24
    assert all(abs(count - 200) < 5 * math.sqrt(200) for count in orders.values())


def test_training_view_matches_torchvisions_transforms() -> None:
    image = photograph(120, 160)
    (draws,) = draw_views(1, torch.Generator().manual_seed(3))
    functional = transforms.functional
    expected = functional.resized_crop(image, *crop_box(120, 160, draws.crop), [224, 224])
    unchanged = functional.adjust_hue(expected, 0.0)  # which rounds to HSV and back
    assert training_view(image, ViewDraws(draws.crop, UNCHANGED, IN_ORDER)).tobytes() == unchanged.tobytes()
    brightness, contrast, saturation = (0.6 + 0.8 * draw for draw in draws.colors[:3])
    hue = -0.2 + 0.4 * draws.colors[3]
    first, second = ViewDraws(draws.crop, draws.colors, IN_ORDER), ViewDraws(draws.crop, draws.colors, [4, 3, 2, 1])
    one = functional.adjust_contrast(functional.adjust_brightness(expected, brightness), contrast)
    one = functional.adjust_hue(functional.adjust_saturation(one, saturation), hue)
    other = functional.adjust_saturation(functional.adjust_hue(expected, hue), saturation)
    other = functional.adjust_brightness(functional.adjust_contrast(other, contrast), brightness)
    assert training_view(image, first).tobytes() == one.tobytes()
    assert training_view(image, second).tobytes() == other.tobytes()
    assert one.tobytes() != other.tobytes()


def test_without_the_crop_training_views_are_evaluation_views() -> None:
    image = photograph(120, 160)
    (draws,) = draw_views(1, torch.Generator().manual_seed(3))
    unchanged = transforms.functional.adjust_hue(evaluation_view(image), 0.0)  # which rounds to HSV and back
    view = training_view(image, ViewDraws(draws.crop, UNCHANGED, IN_ORDER), crop=False)
    assert view.tobytes() == unchanged.tobytes()


@pytest.mark.parametrize("size", [(300, 500), (500, 300), (100, 120)])
def test_evaluation_views_are_the_center(size: tuple[int, int]) -> None:
    image = photograph(*size)
    expected = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224)])(image)
    view = evaluation_view(image)
    assert view.size == (224, 224)
    assert view.tobytes() == expected.tobytes()
