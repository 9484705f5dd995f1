"""Fused layers of several operations, on maps of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.fused import grouped_maps, large_maps, small_maps, wide_norm
from aca_ray.nn.fused.maps import (
    as_maps,
    as_state,
    every_second_pixel,
    is_channels_last,
    is_small,
    on_cpu,
    part,
    stacked,
    unstacked,
)
from aca_ray.nn.fused.running_statistics import BatchStatistics, record


def depthwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C, H', W', B) depthwise convolutions of (1 or N, C, H, W, B).

    Height and width must be divisible by the stride, and the padding must preserve them at stride 1.

    Args:
        layers: layers of one stride and dilation, on large maps on a CPU also of one kernel size.
        maps: input maps.
    """
    found: Tensor = _layers_on(maps).depthwise(layers, maps)
    return found


def pointwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C', H, W, B) 1x1 convolutions of (1 or N, C, H, W, B), at stride 1 whatever the layers' stride."""
    found: Tensor = _layers_on(maps).pointwise(layers, maps)
    return found


def convolution(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C', H', W', B) convolutions, all of one geometry, of (1, C, H, W, B).

    Height and width must be divisible by the stride, and the padding must preserve them at stride 1.
    """
    if is_small(maps):
        return small_maps.convolution(layers, maps)
    weight = torch.cat([layer.weight for layer in layers])
    return unstacked(functional.conv2d(stacked(maps), weight, None, layers[0].stride, layers[0].padding), len(layers))


def _layers_on(maps: Tensor) -> ModuleType:
    """Return the module that is fastest for such maps."""
    if not on_cpu(maps):
        return grouped_maps
    return small_maps if is_small(maps) else large_maps


def halving_pointwise(layer: nn.Conv2d, x: Tensor, first: int = 0) -> Tensor:
    """Return the output of a 1x1 convolution of stride 2 without bias, from pixel `first` of (B, C, H, W).

    Torch 2.14 writes past its memory in the gradient of such a convolution of few channels on large channels-last maps,
    so that there every second pixel is taken first.
    """
    if is_channels_last(x):
        return functional.conv2d(every_second_pixel(x, first), layer.weight)
    return layer(part(x, positions=slice(first, None)) if first else x)


def every_second(maps: Tensor, first: int) -> Tensor:
    """Return every second row and column of (N, C, H, W, B), starting at index `first`."""
    if is_small(maps):
        return maps[:, :, first::2, first::2]
    # Slice in memory order, since the gradient of a slice is laid out in the order of the axes.
    return maps.permute(4, 2, 3, 0, 1)[:, first::2, first::2].permute(3, 4, 1, 2, 0)


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """Return the (N, sum of C, H, W, B) concatenation of (N, C, H, W, B) maps."""
    if is_small(parts[0]):
        return torch.cat(list(parts), dim=1)
    return torch.cat([part.permute(4, 2, 3, 0, 1) for part in parts], dim=4).permute(3, 4, 1, 2, 0)


def average_pool(layer: nn.AvgPool2d, maps: Tensor) -> Tensor:
    """Return the average-pooled (1, C, H', W', B) of (1, C, H, W, B); padding must not count in the means."""
    # Under autocast a product would round the weights of the means.
    if is_small(maps) and not torch.is_autocast_enabled(maps.device.type):
        return small_maps.average(layer, maps)
    return pool(partial(nn.AvgPool2d.forward, layer), maps)


def pool(layer: Callable[[Tensor], Tensor], maps: Tensor) -> Tensor:
    """Return the pooled (1, C, H', W', B) of (1, C, H, W, B)."""
    if not is_small(maps):
        return unstacked(layer(stacked(maps)), 1)
    # Pooling treats channels and images the same, so swapping their axes keeps the maps images-last.
    return as_maps(layer(as_state(maps[0]).transpose(0, 1)).transpose(0, 1))


def batch_norm(layers: Sequence[nn.BatchNorm2d], maps: Tensor, scales: Tensor | None = None) -> Tensor:
    """Return (1 or N, C, H, W, B) normalized by N batch norms, which in training update their statistics.

    Args:
        layers: batch norms of one kind, all or none in training mode.
        maps: input maps.
        scales: (N,) factors of the outputs of non-affine batch norms; None for 1.
    """
    first = layers[0]
    training, affine = first.training, first.affine
    if not training or affine or scales is not None:
        maps = maps.expand(len(layers), *maps.shape[1:])
    rows = maps.reshape(1, maps.shape[0] * maps.shape[1], -1) if is_small(maps) else stacked(maps)

    def joined(name: str) -> Tensor:
        return torch.cat([getattr(layer, name) for layer in layers])

    # In training, a momentum of 1 leaves the batch statistics here.
    assert first.running_mean is not None
    # Two tensors, since torch.func.vmap does not write to rows of one; made from the maps, which vmap requires too.
    mean, variance = (
        [rows.new_zeros(rows.shape[1], dtype=first.running_mean.dtype) for _ in range(2)]
        if training
        else [joined("running_mean"), joined("running_var")]
    )
    weight, bias = (joined("weight"), joined("bias")) if affine else (None, None)
    if scales is not None:
        weight = scales.repeat_interleave(maps.shape[1])
    if training and not affine and not is_small(maps) and wide_norm.is_faster(rows):
        outputs, mean, variance = wide_norm.wide_norm(rows, weight, first.eps)
    else:
        outputs = functional.batch_norm(rows, mean, variance, weight, bias, training, momentum=1.0, eps=first.eps)
    if training:
        means, variances = (own.view(maps.shape[:2]) for own in (mean, variance))
        record(BatchStatistics(layers, means, variances))
    return outputs.view(maps.shape) if is_small(maps) else unstacked(outputs, len(maps))
