"""Batch norms of few channels that are fast on a CPU.

For channels-last maps, torch sums every channel in a table with one row per thread. Rows that do not fill whole cache
lines make the threads compete for the lines, and the sum takes ten times as long. This module treats several pixels as
one with as many times the channels, so that rows are wide, and then adds up their sums.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.nn.fused.maps import is_channels_last

LINE = 16  # float32 numbers in a cache line
WIDTH = 64  # measured: wider rows gain nothing
FEW = 8  # channels; measured: on one thread torch is slow only below this


def is_faster(x: Tensor) -> bool:
    """Return whether `wide_norm` normalizes (B, C, H, W) maps faster than torch."""
    channels = x.shape[1]
    is_narrow = channels % LINE != 0 and (torch.get_num_threads() > 1 or channels < FEW)
    fits = x.shape[0] * x.shape[2] * x.shape[3] % _pixels_per_row(channels) == 0
    return is_narrow and fits and is_channels_last(x) and not torch.is_autocast_enabled("cpu")


def wide_norm(
    x: Tensor, weight: Tensor | None, eps: float, bias: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Return (B, C, H, W) maps normalized by their batch statistics, and the (C,) means and unbiased variances.

    Args:
        x: channels-last maps.
        weight: (C,) factors; None for 1.
        eps: term added to the variance.
        bias: (C,) terms; None for 0.
    """
    weight = x.new_ones(x.shape[1]) if weight is None else weight
    found: tuple[Tensor, Tensor, Tensor] = _WideNorm.apply(x, weight, bias, eps)
    return found


def _pixels_per_row(channels: int) -> int:
    return WIDTH // math.gcd(channels, WIDTH)


class _WideNorm(torch.autograd.Function):
    """A batch norm over rows of several pixels, differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        rows = _Rows(x)
        mean = rows.sum(rows.of(x)) / rows.num_pixels
        y = rows.of(x) - rows.spread(mean)
        variance = rows.sum(y.square()) / rows.num_pixels
        inverse = (variance + eps).rsqrt()
        y.mul_(rows.spread(inverse * weight))
        if bias is not None:
            y.add_(rows.spread(bias))
        ctx.save_for_backward(x, weight, mean, inverse)
        ctx.eps = eps
        unbiased = variance * (rows.num_pixels / (rows.num_pixels - 1))
        ctx.mark_non_differentiable(mean, unbiased)
        return rows.maps(y), mean, unbiased

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        x, weight, mean, inverse = ctx.saved_tensors
        if torch.is_grad_enabled():  # the gradients will be differentiated
            normed = functional.batch_norm(x, None, None, weight, None, training=True, eps=ctx.eps)
            of_x, of_weight = (
                torch.autograd.grad(normed, own, gradient, create_graph=True)[0] if wanted else None
                for own, wanted in zip((x, weight), ctx.needs_input_grad[:2], strict=True)
            )
            return of_x, of_weight, gradient.sum(dim=(0, 2, 3)) if ctx.needs_input_grad[2] else None, None
        rows = _Rows(x)
        of_y = rows.of(gradient.contiguous(memory_format=torch.channels_last))
        centered = rows.of(x) - rows.spread(mean)
        of_weight = rows.sum(of_y * centered) * inverse
        of_bias = rows.sum(of_y)
        if not ctx.needs_input_grad[0]:
            return None, of_weight, of_bias if ctx.needs_input_grad[2] else None, None
        factor = weight * inverse
        shift = of_bias * factor / -rows.num_pixels
        slope = of_weight * inverse * factor / -rows.num_pixels
        of_x = centered.mul_(rows.spread(slope)).add_(rows.spread(shift)).addcmul_(of_y, rows.spread(factor))
        return rows.maps(of_x), of_weight, of_bias if ctx.needs_input_grad[2] else None, None


class _Rows:
    """Channels-last maps as rows of several pixels."""

    def __init__(self, x: Tensor) -> None:
        self._shape = x.shape
        self._pixels_per_row = _pixels_per_row(x.shape[1])
        self.num_pixels = x.shape[0] * x.shape[2] * x.shape[3]

    def of(self, x: Tensor) -> Tensor:
        """Return (B, C, H, W) as rows, in the same memory."""
        return x.permute(0, 2, 3, 1).reshape(-1, self._pixels_per_row * self._shape[1])

    def maps(self, rows: Tensor) -> Tensor:
        """Return rows as (B, C, H, W), in the same memory."""
        batch, channels, height, width = self._shape
        return rows.view(batch, height, width, channels).permute(0, 3, 1, 2)

    def sum(self, rows: Tensor) -> Tensor:
        """Return the (C,) sums over all pixels."""
        return rows.sum(dim=0).view(self._pixels_per_row, -1).sum(dim=0)

    def spread(self, values: Tensor) -> Tensor:
        """Return (C,) values repeated for every pixel of a row."""
        return values.repeat(self._pixels_per_row)
