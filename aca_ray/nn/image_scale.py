"""The parts of a network around its cells that depend on the image size: the stem and the auxiliary tower."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from aca_ray.nn.stems import CifarStem, ImageNetStem


class AuxiliaryTower(nn.Module):
    """A second classifier on the features after two thirds of the cells, used in training only.

    Args:
        channels: channels of the features.
        num_classes: width of its last layer.
        stride: stride of its pooling, which must leave 2x2 positions.
        last_norm: module after its second convolution, which has 768 output channels.

    Source: DARTS' official code.
    """

    def __init__(self, channels: int, num_classes: int, *, stride: int, last_norm: nn.Module) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.ReLU(),
            nn.AvgPool2d(5, stride=stride, count_include_pad=False),
            nn.Conv2d(channels, 128, 1, bias=False),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            nn.Conv2d(128, 768, 2, bias=False),
            last_norm,
            nn.ReLU(),
        )
        self.classifier = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x).flatten(1))


@dataclass(frozen=True)
class ImageScale:
    """Stem and auxiliary tower for images of about one size.

    Attributes:
        auxiliary_size: image side, in pixels, for which the auxiliary tower is defined.
        build_stem: function from (image channels, output channels) to a module that returns both inputs of the first
            cell.
        stem_multiplier: stem output channels over those of the first cells' edges; None for the skeleton's.
        halves: whether the second output has half the resolution of the first.
        build_auxiliary: function from (channels, classes) to the auxiliary tower.
        size_multiple: what height and width must be divisible by, as stem and reduction cells halve them.
    """

    auxiliary_size: int
    build_stem: Callable[[int, int], nn.Module]
    stem_multiplier: int | None
    halves: bool
    build_auxiliary: Callable[[int, int], AuxiliaryTower]
    size_multiple: int


CIFAR_SCALE = ImageScale(
    auxiliary_size=32,
    build_stem=CifarStem,
    stem_multiplier=None,
    halves=False,
    build_auxiliary=lambda channels, num_classes: AuxiliaryTower(
        channels, num_classes, stride=3, last_norm=nn.BatchNorm2d(768)
    ),
    size_multiple=4,
)
IMAGENET_SCALE = ImageScale(
    auxiliary_size=224,
    build_stem=ImageNetStem,
    stem_multiplier=1,
    halves=True,
    # The official code omits the norm by mistake, and still does because its published results lack it.
    build_auxiliary=lambda channels, num_classes: AuxiliaryTower(
        channels, num_classes, stride=2, last_norm=nn.Identity()
    ),
    size_multiple=32,
)
SMALLEST_OF_IMAGENET = 128  # pixels; ours: leaves 4x4 positions after the halvings of the stem and the cells


def scale_of_images(height: int, width: int) -> ImageScale:
    """Return the scale for searches on images of a size.

    Source: Liu et al. 2019 (DARTS), official code, for 32x32 and 224x224 images; the threshold is ours.
    """
    return IMAGENET_SCALE if min(height, width) >= SMALLEST_OF_IMAGENET else CIFAR_SCALE
