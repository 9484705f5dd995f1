"""Fused layers on maps too large for `small_maps`.

Here a CPU spends its time on reading and writing maps, and is fastest with vectors of 16 neighboring numbers. Maps are
(N, C, H, W, B) tensors as in `small_maps`, but the channels of all operations are contiguous in memory: the same layer
of several operations is one layer of N*C channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.fused.depthwise import depthwise_convolution
from aca_ray.nn.fused.maps import stacked, unstacked

VECTOR = 16  # float32 numbers


def depthwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C, H', W', B) depthwise convolutions, all of one geometry, of (1 or N, C, H, W, B)."""
    x = stacked(maps)
    if len(maps) < len(layers):
        x = torch.cat([x] * len(layers), dim=1)
    weight = torch.cat([layer.weight for layer in layers])
    return unstacked(depthwise_convolution(x, weight, layers[0].stride[0], layers[0].dilation[0]), len(layers))


def pointwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C', H, W, B) 1x1 convolutions of (1 or N, C, H, W, B), at stride 1 whatever the layers' stride."""
    matrices = [layer.weight.flatten(1) for layer in layers]
    matrix = torch.cat(matrices) if len(maps) == 1 else torch.block_diag(*matrices)
    return unstacked(functional.conv2d(stacked(maps), matrix[:, :, None, None]), len(layers))
