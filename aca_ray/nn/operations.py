"""The candidate operations as modules; every one maps (B, C, H, W) to (B, C, H/stride, W/stride).

Source: Liu et al. 2019 (DARTS), section 3.1 and its official code; `noise` from Zela et al. 2020 (space S4); `nor_conv`
and `plain_avg_pool_3x3` from Dong & Yang 2020 (NAS-Bench-201) and its official code.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aca_ray.nn.fused.depthwise import DepthwiseConv2d
from aca_ray.nn.fused.layers import (
    average_pool,
    batch_norm,
    concatenate,
    convolution,
    depthwise,
    every_second,
    pointwise,
    pool,
)
from aca_ray.nn.fused.maps import part
from aca_ray.nn.fused.operations import JointOperation, JointSequence
from aca_ray.space.candidates import NONE, PLAIN, SKIP


class FactorizedReduce(JointOperation):
    """Halves the resolution with two 1x1 convolutions of stride 2, the second on the input shifted by one pixel.

    Height and width must be even. With an odd number of output channels the first convolution has one more; with a
    single output channel there is only the first.

    Source: DARTS' official code; the odd case is ours, needed where a skip refills an odd number of channels.
    """

    def __init__(self, in_channels: int, out_channels: int, *, affine: bool) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, out_channels - out_channels // 2, 1, stride=2, bias=False)
        self.second = nn.Conv2d(in_channels, out_channels // 2, 1, stride=2, bias=False) if out_channels > 1 else None
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    @staticmethod
    def run_together(operations: Sequence[FactorizedReduce], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        outputs = pointwise([operation.first for operation in operations], every_second(maps, 0))
        seconds = [operation.second for operation in operations if operation.second is not None]
        if seconds:
            outputs = concatenate((outputs, pointwise(seconds, every_second(maps, 1))))
        return batch_norm([operation.norm for operation in operations], outputs, scales)

    def run_alone(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        outputs = self.first(x)
        if self.second is not None:
            outputs = torch.cat((outputs, self.second(part(x, positions=slice(1, None)))), dim=1)
        return self.norm(outputs)


class Noise(nn.Module):
    """Ignores its input and returns fresh standard normal noise, in training and in evaluation."""

    packs = False

    def __init__(self, stride: int) -> None:
        super().__init__()
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        shown = x[:, :, :: self.stride, :: self.stride]
        # The same draws for every memory layout of the images.
        return torch.randn_like(shown, memory_format=torch.contiguous_format)


class Projection(JointSequence):
    """ReLU, 1x1 convolution, batch norm."""

    @staticmethod
    def run_together(operations: Sequence[Projection], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        _, convolutions, norms = zip(*operations, strict=True)
        maps = every_second(maps, 0) if convolutions[0].stride[0] == 2 else maps
        return batch_norm(norms, pointwise(convolutions, maps), scales)


class DepthwiseBlocks(JointSequence):
    """Blocks of ReLU, depthwise convolution, pointwise convolution, batch norm."""

    @property
    def group(self) -> tuple[Any, ...]:
        return DepthwiseBlocks, len(self)

    @staticmethod
    def run_together(operations: Sequence[DepthwiseBlocks], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        blocks = list(zip(*[iter(zip(*operations, strict=True))] * 4, strict=True))
        for index, (_, spatial, mixing, norms) in enumerate(blocks, start=1):
            maps = pointwise(mixing, depthwise(spatial, maps if index == 1 else maps.relu()))
            maps = batch_norm(norms, maps, scales if index == len(blocks) else None)
        return maps


class FullConvolution(JointSequence):
    """ReLU, convolution over all channels, batch norm."""

    @staticmethod
    def run_together(operations: Sequence[FullConvolution], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        _, convolutions, norms = zip(*operations, strict=True)
        return batch_norm(norms, convolution(convolutions, maps), scales)


class AveragePool(JointOperation, nn.AvgPool2d):
    """A 3x3 average pooling that leaves padding out of the mean."""

    is_constant = True
    reads_positive = False

    def __init__(self, stride: int) -> None:
        super().__init__(3, stride, padding=1, count_include_pad=False)

    @staticmethod
    def run_together(operations: Sequence[AveragePool], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        return average_pool(operations[0], maps)

    def run_alone(self, x: Tensor) -> Tensor:
        return nn.AvgPool2d.forward(self, x)


class NormedPool(JointSequence):
    """A pooling and a non-affine batch norm."""

    is_constant = True
    reads_positive = False

    @property
    def group(self) -> tuple[Any, ...]:
        return NormedPool, type(self[0])

    @staticmethod
    def run_together(operations: Sequence[NormedPool], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        pools, norms = zip(*operations, strict=True)
        pooled = average_pool(pools[0], maps) if isinstance(pools[0], AveragePool) else pool(pools[0], maps)
        return batch_norm(norms, pooled, scales)


class Skip(JointOperation, nn.Identity):
    """The identity."""

    is_constant = True
    reads_positive = False

    @staticmethod
    def run_together(operations: Sequence[Skip], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        return maps

    def run_alone(self, x: Tensor) -> Tensor:
        return x


def relu_conv_norm(in_channels: int, out_channels: int, *, affine: bool) -> Projection:
    """Return ReLU, 1x1 convolution, batch norm: the preprocessing of a cell's input."""
    return Projection(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels, affine=affine),
    )


def _depthwise_block(channels: int, kernel: int, stride: int, dilation: int, affine: bool) -> list[nn.Module]:
    return [
        nn.ReLU(),
        DepthwiseConv2d(channels, kernel, stride, dilation),
        nn.Conv2d(channels, channels, 1, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    ]


def _separable(kernel: int) -> Callable[[int, int, bool], nn.Module]:
    def build(channels: int, stride: int, affine: bool) -> nn.Module:
        return DepthwiseBlocks(
            *_depthwise_block(channels, kernel, stride, 1, affine), *_depthwise_block(channels, kernel, 1, 1, affine)
        )

    return build


def _dilated(kernel: int) -> Callable[[int, int, bool], nn.Module]:
    return lambda channels, stride, affine: DepthwiseBlocks(*_depthwise_block(channels, kernel, stride, 2, affine))


def _full(kernel: int) -> Callable[[int, int, bool], nn.Module]:
    sequence = Projection if kernel == 1 else FullConvolution
    return lambda channels, stride, affine: sequence(
        nn.ReLU(),
        nn.Conv2d(channels, channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels, affine=affine),
    )


def _average(channels: int, stride: int, affine: bool) -> nn.Module:
    return AveragePool(stride)


def _skip(channels: int, stride: int, affine: bool) -> nn.Module:
    return Skip() if stride == 1 else FactorizedReduce(channels, channels, affine=affine)


OPERATIONS: dict[str, Callable[[int, int, bool], nn.Module]] = {
    "max_pool_3x3": lambda channels, stride, affine: nn.MaxPool2d(3, stride, padding=1),
    "avg_pool_3x3": _average,
    f"{PLAIN}avg_pool_3x3": _average,
    SKIP: _skip,
    "sep_conv_3x3": _separable(3),
    "sep_conv_5x5": _separable(5),
    "dil_conv_3x3": _dilated(3),
    "dil_conv_5x5": _dilated(5),
    "nor_conv_1x1": _full(1),
    "nor_conv_3x3": _full(3),
    "noise": lambda channels, stride, affine: Noise(stride),
}


def build_operation(name: str, channels: int, stride: int) -> nn.Module:
    """Return an operation as the derived network uses it: affine batch norms, and none after pooling."""
    return OPERATIONS[name](channels, stride, True)


def build_candidate(name: str, channels: int, stride: int) -> nn.Module:
    """Return an operation as the supernet uses it: non-affine batch norms, also after pooling unless it is plain.

    The weights of affine batch norms could rescale the architecture parameters.

    Source: DARTS' official code.
    """
    module = build_plain_candidate(name, channels, stride)
    if name.endswith("pool_3x3") and not name.startswith(PLAIN):
        return NormedPool(module, nn.BatchNorm2d(channels, affine=False))
    return module


def build_plain_candidate(name: str, channels: int, stride: int) -> nn.Module:
    """Return an operation with non-affine batch norms, and none after pooling.

    Source: Dong & Yang 2019 (GDAS) and Zhou et al. 2020 (PR-DARTS), official codes.
    """
    if name == NONE:
        raise ValueError("'none' is never built: a zero adds nothing to an edge's sum")
    return OPERATIONS[name](channels, stride, False)


def last_full_convolution(module: nn.Module) -> nn.Conv2d | None:
    """Return the last convolution of an operation that mixes channels, or None if there is none."""
    full = [m for m in module.modules() if isinstance(m, nn.Conv2d) and m.groups == 1]
    return full[-1] if full else None
