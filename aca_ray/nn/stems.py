"""Stems: the layers before the first cell, which return the outputs of two imagined cells before it.

Exported networks contain the text of these modules, so lines have at most 88 columns.
"""

from __future__ import annotations

from torch import Tensor, nn


class CifarStem(nn.Sequential):
    """One convolution; its output serves as the outputs of two cells."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = super().forward(images)
        return features, features


class ImageNetStem(nn.Module):
    """Three convolutions of stride 2; the last two give the outputs of two cells.

    Source: Liu et al. 2019 (DARTS), official code, NetworkImageNet.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.before = nn.Sequential(
            nn.Conv2d(in_channels, half, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(half),
            nn.ReLU(),
            nn.Conv2d(half, out_channels, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.previous = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        before = self.before(images)
        return before, self.previous(before)
