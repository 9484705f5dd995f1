"""Views of images of any size: a random crop in training, the center in evaluation.

Source: Szegedy et al. 2015 (GoogLeNet), section 6, as in torchvision's RandomResizedCrop and ColorJitter; strengths and
sizes of DARTS' official code, train_imagenet.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

VIEW_SIZE, RESIZED_SIZE = 224, 256
LEAST_AREA = 0.08
WIDEST = 4 / 3
NUM_ATTEMPTS = 10
# Brightness, contrast and saturation are multiplied by 1 - 0.4 to 1 + 0.4, the hue is turned by -0.2 to 0.2 of a turn.
COLOR_STRENGTHS, HUE_STRENGTH = (0.4, 0.4, 0.4), 0.2
_NUM_COLORS = len(COLOR_STRENGTHS) + 1


class Box(NamedTuple):
    """A rectangle of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int


class ViewDraws(NamedTuple):
    """All draws, uniform in [0, 1), that determine the training view of an image.

    Attributes:
        crop: area, aspect ratio, top and left of the crop, per attempt.
        colors: how far brightness, contrast, saturation and hue change.
        order: sort keys of the four color changes, which are applied in ascending order.
    """

    crop: Sequence[Sequence[float]]
    colors: Sequence[float]
    order: Sequence[float]


def draw_views(num_images: int, generator: torch.Generator) -> list[ViewDraws]:
    """Return the draws of a batch of images; the generator, on the CPU, gives one tensor for all."""
    num_crop = 4 * NUM_ATTEMPTS
    draws: Tensor = torch.rand(num_images, num_crop + 2 * _NUM_COLORS, generator=generator, dtype=torch.float64)
    crops, colors, orders = draws.split((num_crop, _NUM_COLORS, _NUM_COLORS), dim=1)
    return [
        ViewDraws(crop, color, order)
        for crop, color, order in zip(
            crops.view(-1, NUM_ATTEMPTS, 4).tolist(), colors.tolist(), orders.tolist(), strict=True
        )
    ]


def crop_box(height: int, width: int, attempts: Sequence[Sequence[float]]) -> Box:
    """Return a crop with 8 to 100 % of the area and an aspect ratio of 3/4 to 4/3, uniform in area and log ratio.

    Attempts that do not fit into the image are skipped; if none fits, the crop is the largest centered one of an
    allowed aspect ratio.
    """
    for area_draw, ratio_draw, top_draw, left_draw in attempts:
        area = height * width * (LEAST_AREA + (1 - LEAST_AREA) * area_draw)
        ratio = WIDEST ** (2 * ratio_draw - 1)
        box_height, box_width = round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio))
        if 0 < box_height <= height and 0 < box_width <= width:
            top, left = int(top_draw * (height - box_height + 1)), int(left_draw * (width - box_width + 1))
            return Box(top, left, box_height, box_width)
    box_height, box_width = min(height, round(width * WIDEST)), min(width, round(height * WIDEST))
    return Box((height - box_height) // 2, (width - box_width) // 2, box_height, box_width)


def training_view(
    image: Image, draws: ViewDraws, crop: bool = True, size: int = VIEW_SIZE, color: bool = True
) -> Image:
    """Return a view of size x size pixels in randomly changed colors, not mirrored yet.

    Args:
        image: in mode RGB.
        draws: draws of crop and colors.
        crop: whether to crop at random; if not, the view is the center, as in evaluation.
        size: height and width in pixels.
        color: whether to change the colors.
    """
    from torchvision.transforms import functional

    if crop:
        box = crop_box(image.height, image.width, draws.crop)
        image = functional.resized_crop(image, *box, [size, size])
    else:
        image = evaluation_view(image, size)
    if not color:
        return image
    *factors, hue = (
        strength * (2 * draw - 1) for strength, draw in zip((*COLOR_STRENGTHS, HUE_STRENGTH), draws.colors, strict=True)
    )
    changes = (
        lambda image: functional.adjust_brightness(image, 1 + factors[0]),
        lambda image: functional.adjust_contrast(image, 1 + factors[1]),
        lambda image: functional.adjust_saturation(image, 1 + factors[2]),
        lambda image: functional.adjust_hue(image, hue),
    )
    for index in sorted(range(_NUM_COLORS), key=draws.order.__getitem__):
        image = changes[index](image)
    return image


def evaluation_view(image: Image, size: int = VIEW_SIZE) -> Image:
    """Return the central size x size pixels of an image whose shorter side is scaled to size * 256 / 224."""
    from torchvision.transforms import functional

    resized = functional.resize(image, round(size * RESIZED_SIZE / VIEW_SIZE))
    return functional.center_crop(resized, [size, size])
