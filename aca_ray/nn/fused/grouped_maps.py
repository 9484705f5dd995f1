"""Fused layers for devices where calls cost more than work.

Maps are (N, C, H, W, B) tensors as in `small_maps`. In memory they are a batch of images with the N*C channels of all
operations, so the same layer of several operations is one grouped convolution.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.fused.maps import stacked, unstacked
from aca_ray.nn.fused.runs import runs


def depthwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C, H', W', B) depthwise convolutions, of one stride and dilation, of (1 or N, C, H, W, B).

    Smaller kernels are padded with zeros to the size of the largest.
    """
    stride, dilation = layers[0].stride[0], layers[0].dilation[0]
    size = max(layer.kernel_size[0] for layer in layers)
    kernels: list[Tensor] = []
    for kernel, group in runs(layers, lambda layer: layer.kernel_size[0]):
        own = [layer.weight for layer in group]
        kernels += own if kernel == size else [functional.pad(torch.cat(own), [(size - kernel) // 2] * 4)]
    weight = torch.cat(kernels)
    x = stacked(maps.expand(len(layers), *maps.shape[1:]))
    padding = dilation * (size - 1) // 2
    return unstacked(functional.conv2d(x, weight, None, stride, padding, dilation, groups=len(weight)), len(layers))


def pointwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C', H, W, B) 1x1 convolutions of (1 or N, C, H, W, B), at stride 1 whatever the layers' stride."""
    weight = torch.cat([layer.weight for layer in layers])
    return unstacked(functional.conv2d(stacked(maps), weight, groups=len(maps)), len(layers))
