"""Depthwise convolutions whose gradients are fast on a CPU.

On a CPU, torch computes most gradients of depthwise convolutions with kernels up to a hundred times slower than that of
the convolution itself. Two are fast, on channels-last maps at stride 1: the gradient of the input as a convolution with
the flipped kernel, and that of the weight for undilated kernels of at most three columns. The others are made of these:

- A convolution of dilation 2 is an undilated one of each of the four images of every second row and column; at stride 2
  only of the first of them.
- Two 5x3 kernels cover the columns of a 5x5 kernel.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from aca_ray.nn.blocks import DepthwiseConv2d
from aca_ray.nn.fused.maps import channels_last, every_second_pixel, is_channels_last


class FusedDepthwiseConv2d(DepthwiseConv2d):
    """A depthwise convolution of kernel 3 or 5, stride and dilation 1 or 2."""

    def forward(self, x: Tensor) -> Tensor:
        return depthwise_convolution(x, self.weight, self.stride[0], self.dilation[0])


def depthwise_convolution(x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    """Return the (B, C, H/stride, W/stride) padded convolution of (B, C, H, W) with (C, 1, k, k) kernels.

    torch's own gradients are used on other devices, under autocast, for maps that are not channels-last, for an odd
    height or width at dilation 2, and at stride 2 without dilation.

    Args:
        x: maps.
        weight: kernels of k = 3 or 5.
        stride: 1 or 2.
        dilation: 1 or 2.
    """
    is_divisible = dilation == 1 or x.shape[2] % 2 == x.shape[3] % 2 == 0
    if not is_channels_last(x) or torch.is_autocast_enabled("cpu") or stride > dilation or not is_divisible:
        return _convolve(x, weight, stride, dilation)
    if stride == 2:
        return _Depthwise.apply(every_second_pixel(x, 0), weight, 1)
    return _Depthwise.apply(x, weight, dilation)


class _Depthwise(torch.autograd.Function):
    """Padded convolution of (B, C, H, W) with (C, 1, k, k) kernels, differentiable any number of times."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation = dilation
        return _convolve(x, weight, 1, dilation)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        x, weight = ctx.saved_tensors
        gradient = channels_last(gradient)
        of_x = _convolve(gradient, weight.flip(2, 3), 1, ctx.dilation) if ctx.needs_input_grad[0] else None
        of_weight = weight_gradient(x, gradient, weight.shape[2], ctx.dilation) if ctx.needs_input_grad[1] else None
        return of_x, of_weight, None


def _convolve(x: Tensor, weight: Tensor, stride: int, dilation: int) -> Tensor:
    padding = dilation * (weight.shape[2] - 1) // 2
    return functional.conv2d(x, weight, None, stride, padding, dilation, groups=len(weight))


def weight_gradient(x: Tensor, gradient: Tensor, kernel: int, dilation: int) -> Tensor:
    """Return the (C, 1, k, k) gradient of the kernels.

    Args:
        x: (B, C, H, W) input of the convolution.
        gradient: (B, C, H, W) gradient of the output.
        kernel: k, 3 or 5.
        dilation: 1, or 2 for even H and W.
    """
    if dilation == 2:
        x, gradient = _every_second(x), _every_second(gradient)
    channels = x.shape[1]
    if kernel == 3:
        return conv2d_weight(x, (channels, 1, 3, 3), gradient, padding=1, groups=channels)
    left, right = (
        conv2d_weight(functional.pad(x, sides), (channels, 1, 5, 3), gradient, padding=(2, 0), groups=channels)
        for sides in ((2, 0), (0, 2))
    )
    return torch.cat((left, right[..., 1:]), dim=3)


def _every_second(x: Tensor) -> Tensor:
    """Return the (4B, C, H/2, W/2) images of every second row and column of (B, C, H, W)."""
    images = x.permute(0, 2, 3, 1).unflatten(1, (-1, 2)).unflatten(3, (-1, 2))  # (B, H/2, 2, W/2, 2, C)
    return images.permute(2, 4, 0, 1, 3, 5).flatten(0, 2).permute(0, 3, 1, 2)
