"""The modules that operations and cells are made of; all map (B, C, H, W) to (B, C', H', W').

Batch norms are affine in derived networks and not in the supernet. Exported networks contain the text of these modules,
so lines have at most 88 columns, and the modules use only torch and one another.

Source: Liu et al. 2019 (DARTS), section 3.1 and its official code; `Noise` from Zela et al. 2020 (space S4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ReluConvNorm(nn.Sequential):
    """ReLU, convolution over all channels, batch norm."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 1,
        stride: int = 1,
        affine: bool = True,
    ) -> None:
        padding = kernel // 2
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(out_channels, affine=affine),
        )


class DepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution; the padding preserves the size at stride 1."""

    def __init__(self, channels: int, kernel: int, stride: int, dilation: int) -> None:
        super().__init__(
            channels,
            channels,
            kernel,
            stride,
            padding=dilation * (kernel - 1) // 2,
            dilation=dilation,
            groups=channels,
            bias=False,
        )


def depthwise_block(
    channels: int,
    kernel: int,
    stride: int,
    dilation: int,
    affine: bool,
) -> list[nn.Module]:
    """Return ReLU, depthwise convolution, pointwise convolution, batch norm."""
    return [
        nn.ReLU(),
        DepthwiseConv2d(channels, kernel, stride, dilation),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    ]


class SeparableConv(nn.Sequential):
    """Two depthwise blocks, the stride in the first."""

    def __init__(
        self,
        channels: int,
        kernel: int,
        stride: int,
        affine: bool = True,
    ) -> None:
        super().__init__(
            *depthwise_block(channels, kernel, stride, 1, affine),
            *depthwise_block(channels, kernel, 1, 1, affine),
        )


class DilatedConv(nn.Sequential):
    """One depthwise block of dilation 2."""

    def __init__(
        self,
        channels: int,
        kernel: int,
        stride: int,
        affine: bool = True,
    ) -> None:
        super().__init__(*depthwise_block(channels, kernel, stride, 2, affine))


class MaxPool(nn.MaxPool2d):
    """A 3x3 max pooling."""

    def __init__(self, stride: int) -> None:
        super().__init__(3, stride, padding=1)


class AveragePool(nn.AvgPool2d):
    """A 3x3 average pooling that leaves padding out of the mean."""

    def __init__(self, stride: int) -> None:
        super().__init__(3, stride, padding=1, count_include_pad=False)


class Skip(nn.Identity):
    """The identity as an operation."""


class FactorizedReduce(nn.Module):
    """Halves the resolution: two 1x1 convolutions, the second on shifted pixels.

    Height and width must be even. With an odd number of output channels the first
    convolution has one more; with a single output channel there is only the first.

    Source: DARTS' official code; the odd case is ours, needed where a skip refills an
    odd number of channels.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        affine: bool = True,
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.first = nn.Conv2d(in_channels, out_channels - half, 1, 2, bias=False)
        self.second = nn.Conv2d(in_channels, half, 1, 2, bias=False) if half else None
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        outputs = self.first(x)
        if self.second is not None:
            outputs = torch.cat((outputs, self.second(x[:, :, 1:, 1:])), dim=1)
        return self.norm(outputs)


class Noise(nn.Module):
    """Ignores its input and returns fresh standard normal noise, also in evaluation."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shown = x[:, :, :: self.stride, :: self.stride]
        # The same draws for every memory layout of the images.
        return torch.randn_like(shown, memory_format=torch.contiguous_format)


class NormedPool(nn.Sequential):
    """A pooling and a batch norm without weights."""

    def __init__(self, pool: nn.Module, channels: int) -> None:
        super().__init__(pool, nn.BatchNorm2d(channels, affine=False))


class ResidualBlock(nn.Module):
    """Halves the resolution: two 3x3 convolutions and a pooled, projected shortcut.

    Source: He et al. 2016 in the form of Dong & Yang 2020 (NAS-Bench-201),
    section 2.1, and its official code.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolutions = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(in_channels, out_channels, 3, 2, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
        )

    def forward(self, before: Tensor, previous: Tensor) -> Tensor:
        return self.shortcut(previous) + self.convolutions(previous)
