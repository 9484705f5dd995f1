"""Operations that can be fused with others of their group; alone, they use the fused layers on small maps only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from aca_ray.nn.blocks import AveragePool, DilatedConv, FactorizedReduce, NormedPool, ReluConvNorm, SeparableConv, Skip
from aca_ray.nn.fused.layers import (
    average_pool,
    batch_norm,
    concatenate,
    convolution,
    depthwise,
    every_second,
    halving_pointwise,
    pointwise,
    pool,
)
from aca_ray.nn.fused.maps import as_maps, as_state, is_small


class FusedOperation(nn.Module):
    """An operation that can be fused with others of its group.

    Attributes:
        is_constant: whether operations of a group differ only in their running statistics.
        reads_positive: whether a ReLU comes first.
    """

    is_constant: ClassVar[bool] = False
    reads_positive: ClassVar[bool] = True

    @property
    def group(self) -> tuple[Any, ...]:
        """A key that is equal for two operations if and only if they can be fused on the same maps."""
        return (type(self),)

    @staticmethod
    def fused(operations: Sequence[Any], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        """Return the (N, C', H', W', B) outputs of N operations of one group; (1, C', H', W', B) if they must be equal.

        Args:
            operations: operations of one group, all or none in training mode, on large maps on a CPU all of one name;
                their running statistics are updated as if each ran alone.
            maps: (1, C, H, W, B) input of every operation, after its ReLU if one comes first.
            scales: (N,) factors of the outputs of non-affine operations; None for 1.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if is_small(x):
            return as_state(self.fused([self], as_maps(x.relu() if self.reads_positive else x))[0])
        return self.alone(x)

    def alone(self, x: Tensor) -> Tensor:
        """Return the (B, C', H', W') output of (B, C, H, W), calling every layer."""
        return super().forward(x)


class FusedReluConvNorm(FusedOperation, ReluConvNorm):
    """ReLU, convolution, batch norm."""

    @property
    def group(self) -> tuple[Any, ...]:
        return FusedReluConvNorm, cast(nn.Conv2d, self[1]).kernel_size

    @staticmethod
    def fused(operations: Sequence[ReluConvNorm], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        _, convolutions, norms = zip(*operations, strict=True)
        if convolutions[0].kernel_size != (1, 1):
            return batch_norm(norms, convolution(convolutions, maps), scales)
        maps = every_second(maps, 0) if convolutions[0].stride[0] == 2 else maps
        return batch_norm(norms, pointwise(convolutions, maps), scales)

    def alone(self, x: Tensor) -> Tensor:
        relu, convolution, norm = self
        assert isinstance(convolution, nn.Conv2d)
        if convolution.kernel_size == (1, 1) and convolution.stride == (2, 2):
            return norm(halving_pointwise(convolution, relu(x)))
        return super().alone(x)


def _fused_blocks(operations: Sequence[nn.Sequential], maps: Tensor, scales: Tensor | None) -> Tensor:
    """Return the outputs of operations that are made of depthwise blocks."""
    blocks = list(zip(*[iter(zip(*operations, strict=True))] * 4, strict=True))
    for index, (_, spatial, mixing, norms) in enumerate(blocks, start=1):
        maps = pointwise(mixing, depthwise(spatial, maps if index == 1 else maps.relu()))
        maps = batch_norm(norms, maps, scales if index == len(blocks) else None)
    return maps


class FusedSeparableConv(FusedOperation, SeparableConv):
    """Two depthwise blocks."""

    @staticmethod
    def fused(operations: Sequence[SeparableConv], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        return _fused_blocks(operations, maps, scales)


class FusedDilatedConv(FusedOperation, DilatedConv):
    """One depthwise block."""

    @staticmethod
    def fused(operations: Sequence[DilatedConv], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        return _fused_blocks(operations, maps, scales)


class FusedFactorizedReduce(FusedOperation, FactorizedReduce):
    """Two 1x1 convolutions of stride 2, batch norm."""

    @staticmethod
    def fused(operations: Sequence[FactorizedReduce], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        outputs = pointwise([operation.first for operation in operations], every_second(maps, 0))
        seconds = [operation.second for operation in operations if operation.second is not None]
        if seconds:
            outputs = concatenate((outputs, pointwise(seconds, every_second(maps, 1))))
        return batch_norm([operation.norm for operation in operations], outputs, scales)

    def alone(self, x: Tensor) -> Tensor:
        x = torch.relu(x)
        outputs = halving_pointwise(self.first, x)
        if self.second is not None:
            outputs = torch.cat((outputs, halving_pointwise(self.second, x, 1)), dim=1)
        return self.norm(outputs)


class FusedAveragePool(FusedOperation, AveragePool):
    """An average pooling."""

    is_constant = True
    reads_positive = False

    @staticmethod
    def fused(operations: Sequence[AveragePool], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        return average_pool(operations[0], maps)


class FusedNormedPool(FusedOperation, NormedPool):
    """A pooling and a batch norm without weights."""

    is_constant = True
    reads_positive = False

    @property
    def group(self) -> tuple[Any, ...]:
        return FusedNormedPool, type(self[0])

    @staticmethod
    def fused(operations: Sequence[NormedPool], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        pools, norms = zip(*operations, strict=True)
        pooled = average_pool(pools[0], maps) if isinstance(pools[0], AveragePool) else pool(pools[0], maps)
        return batch_norm(norms, pooled, scales)


class FusedSkip(FusedOperation, Skip):
    """The identity."""

    is_constant = True
    reads_positive = False

    @staticmethod
    def fused(operations: Sequence[Skip], maps: Tensor, scales: Tensor | None = None) -> Tensor:
        return maps
