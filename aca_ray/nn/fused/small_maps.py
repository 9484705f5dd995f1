"""Fused layers on small maps.

On the maps of proxy-sized searches, a CPU spends its time on calling tiny kernels and on the backward pass of depthwise
convolutions. Here a depthwise convolution is one dense (positions x positions) matrix per channel, a pointwise one is a
(channels x channels) matrix, and the same layer of several operations is one batched product of such matrices. Only the
order of sums differs from calling layers one by one.

Maps are (N, C, H, W, B) tensors: N operations, C channels, B images. Images are last so that every product finds its
operands in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.fused.runs import runs


def depthwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C, H', W', B) depthwise convolutions of (1 or N, C, H, W, B).

    Height and width must be divisible by the stride, and the padding must preserve them at stride 1.
    """
    num_maps, channels, height, width, batch = maps.shape
    axis = 1 if num_maps == 1 else 0  # layers with the same input enlarge one product, others add products
    matrices = torch.cat(
        [
            torch.stack([layer.weight.flatten(1) for layer in group], dim=axis)
            @ _placement(*geometry, height, width, maps.dtype)
            for geometry, group in runs(layers, _geometry)
        ],
        dim=axis,
    ).view(num_maps * channels, -1, height * width)
    outputs = torch.bmm(matrices, maps.reshape(num_maps * channels, height * width, batch))
    stride = layers[0].stride[0]
    shape = (height // stride, width // stride, batch)
    if num_maps == 1:
        return outputs.view(channels, len(layers), *shape).transpose(0, 1)
    return outputs.view(num_maps, channels, *shape)


def _geometry(layer: nn.Conv2d) -> tuple[int, int, int, int]:
    return layer.kernel_size[0], layer.stride[0], int(layer.padding[0]), layer.dilation[0]


@cache
def _placement(
    kernel: int, stride: int, padding: int, dilation: int, height: int, width: int, dtype: torch.dtype
) -> Tensor:
    """Return the 0/1 matrix (k*k, H'*W' * H*W) that places a kernel's taps in its dense (H'*W', H*W) matrix."""
    # Convolves unit images with unit kernels; cached, so it must work in every mode and device context.
    with torch.inference_mode(False), torch.no_grad():
        pixels = torch.eye(height * width, dtype=dtype, device="cpu").view(-1, 1, height, width)
        taps = torch.eye(kernel * kernel, dtype=dtype, device="cpu").view(-1, 1, kernel, kernel)
        touched = functional.conv2d(pixels, taps, None, stride, padding, dilation)  # (H*W, k*k, H', W')
        return touched.flatten(2).permute(1, 2, 0).flatten(1)


def pointwise(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C', H, W, B) 1x1 convolutions of (1 or N, C, H, W, B), at stride 1 whatever the layers' stride."""
    matrices = torch.cat([layer.weight.flatten(1) for layer in layers]).view(len(maps), -1, maps.shape[1])
    return torch.bmm(matrices, maps.flatten(2)).view(len(layers), -1, *maps.shape[2:])


def convolution(layers: Sequence[nn.Conv2d], maps: Tensor) -> Tensor:
    """Return the (N, C', H', W', B) convolutions, all of one geometry, of (1, C, H, W, B).

    Computed as one product of all weights with the maps shifted to every tap of the kernel.
    """
    _, _, height, width, batch = maps.shape
    (kernel, _), (stride, _) = layers[0].kernel_size, layers[0].stride
    padding = int(layers[0].padding[0])
    padded = functional.pad(maps[0], (0, 0, padding, padding, padding, padding))
    taps = [
        padded[:, row : row + height : stride, column : column + width : stride]
        for row in range(kernel)
        for column in range(kernel)
    ]
    matrices = torch.cat([layer.weight.permute(0, 2, 3, 1).flatten(1) for layer in layers])
    outputs = matrices @ torch.cat(taps).flatten(1)
    return outputs.view(len(layers), -1, height // stride, width // stride, batch)


def average(layer: nn.AvgPool2d, maps: Tensor) -> Tensor:
    """Return the average-pooled (1, C, H', W', B) of (1, C, H, W, B), as one matrix product.

    Windows and strides must be square, and padding must not count in the means.
    """
    _, channels, height, width, batch = maps.shape
    kernel, stride, padding = layer.kernel_size, layer.stride, layer.padding
    assert isinstance(kernel, int)
    assert isinstance(stride, int)
    assert isinstance(padding, int)
    outputs = _averages(kernel, stride, padding, height, width, maps.dtype) @ maps[0].flatten(1, 2)
    return outputs.view(1, channels, height // stride, width // stride, batch)


@cache
def _averages(kernel: int, stride: int, padding: int, height: int, width: int, dtype: torch.dtype) -> Tensor:
    """Return the (H'*W', H*W) matrix whose rows average the positions of one window each."""
    # Cached, so it must work in every mode and device context.
    with torch.inference_mode(False), torch.no_grad():
        pixels = torch.eye(height * width, dtype=dtype, device="cpu").view(-1, 1, height, width)
        means = functional.avg_pool2d(pixels, kernel, stride, padding, count_include_pad=False)  # (H*W, 1, H', W')
        return means.flatten(1).T.contiguous()
