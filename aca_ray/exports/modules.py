"""Modules of exported networks; a Python file contains the source of those it needs.

They are written for readers who know torch but not this project: they import only torch,
have no line longer than 88 columns, and call layers one by one. Each has the state dict
of its counterpart in `aca_ray.nn`, which cites its paper.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class DropPath(nn.Module):
    """Zeroes whole samples of an operation's output while training, none by default."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.probability = 0.0

    def forward(self, x: Tensor) -> Tensor:
        outputs = self.inner(x)
        if not self.training or self.probability == 0.0:
            return outputs
        kept = torch.rand(len(x), 1, 1, 1, device=x.device) >= self.probability
        return outputs * kept / (1.0 - self.probability)


def relu_conv_norm(in_channels: int, out_channels: int) -> nn.Sequential:
    """Return ReLU, 1x1 convolution, batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class FactorizedReduce(nn.Module):
    """Halves the resolution with two 1x1 convolutions, the second on shifted pixels."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        half = out_channels // 2
        self.first = nn.Conv2d(in_channels, out_channels - half, 1, 2, bias=False)
        self.second = nn.Conv2d(in_channels, half, 1, 2, bias=False) if half else None
        self.norm = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        outputs = self.first(x)
        if self.second is not None:
            outputs = torch.cat((outputs, self.second(x[:, :, 1:, 1:])), dim=1)
        return self.norm(outputs)


def depthwise_block(
    channels: int,
    kernel: int,
    stride: int,
    dilation: int,
) -> list[nn.Module]:
    """Return ReLU, depthwise convolution, pointwise convolution, batch norm."""
    padding = dilation * (kernel - 1) // 2
    return [
        nn.ReLU(),
        nn.Conv2d(
            channels,
            channels,
            kernel,
            stride,
            padding,
            dilation,
            groups=channels,
            bias=False,
        ),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels),
    ]


def sep_conv(channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Return a separable convolution: two depthwise blocks, the stride in the first."""
    return nn.Sequential(
        *depthwise_block(channels, kernel, stride, dilation=1),
        *depthwise_block(channels, kernel, stride=1, dilation=1),
    )


def dil_conv(channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Return a dilated convolution: one depthwise block."""
    return nn.Sequential(*depthwise_block(channels, kernel, stride, dilation=2))


def nor_conv(channels: int, kernel: int, stride: int) -> nn.Sequential:
    """Return ReLU, convolution, batch norm."""
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels),
    )


def max_pool(stride: int) -> nn.MaxPool2d:
    """Return a 3x3 max pooling."""
    return nn.MaxPool2d(3, stride, padding=1)


def avg_pool(stride: int) -> nn.AvgPool2d:
    """Return a 3x3 average pooling that leaves padding out."""
    return nn.AvgPool2d(3, stride, padding=1, count_include_pad=False)


class Noise(nn.Module):
    """Ignores its input and returns fresh standard normal noise, also in evaluation."""

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return torch.randn_like(x[:, :, :: self.stride, :: self.stride])


class AllocatedEdge(nn.Module):
    """An operation on the channels it keeps, a skip connection on all others."""

    kept: Tensor
    refilled: Tensor
    restore_order: Tensor

    def __init__(
        self,
        operation: nn.Module,
        kept: tuple[int, ...],
        channels: int,
        stride: int,
    ) -> None:
        super().__init__()
        refilled = [channel for channel in range(channels) if channel not in kept]
        order = torch.tensor([*kept, *refilled]).argsort()
        self.register_buffer("kept", torch.tensor(kept), persistent=False)
        self.register_buffer("refilled", torch.tensor(refilled), persistent=False)
        self.register_buffer("restore_order", order, persistent=False)
        self.operation = operation
        self.skip: nn.Module = nn.Identity()
        if stride == 2:
            self.skip = DropPath(FactorizedReduce(len(refilled), len(refilled)))

    def forward(self, x: Tensor) -> Tensor:
        operated = self.operation(x.index_select(1, self.kept))
        skipped = self.skip(x.index_select(1, self.refilled))
        joined = torch.cat((operated, skipped), dim=1)
        return joined.index_select(1, self.restore_order)


class CellInputs(nn.Module):
    """Brings the outputs of the two previous cells to one width and resolution."""

    def __init__(self, before: int, previous: int, channels: int, halved: bool) -> None:
        super().__init__()
        adapt = FactorizedReduce if halved else relu_conv_norm
        self.before = adapt(before, channels)
        self.previous = relu_conv_norm(previous, channels)

    def forward(self, before: Tensor, previous: Tensor) -> tuple[Tensor, Tensor]:
        return self.before(before), self.previous(previous)


class ResidualBlock(nn.Module):
    """Halves the resolution: two 3x3 convolutions and a pooled, projected shortcut."""

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
    """Three convolutions of stride 2; the last two give the outputs of two cells."""

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
