"""Depthwise convolutions against finite differences and torch's own."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from aca_ray.nn.blocks import DepthwiseConv2d
from aca_ray.nn.fused import fuse
from aca_ray.nn.fused.depthwise import depthwise_convolution, weight_gradient
from aca_ray.nn.fused.maps import channels_last

GEOMETRIES = list(itertools.product((3, 5), (1, 2), (1, 2)))  # kernel, stride, dilation


def maps(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return channels_last(torch.randn(shape, dtype=dtype)).requires_grad_()


@pytest.mark.parametrize(("kernel", "stride", "dilation"), GEOMETRIES)
@pytest.mark.parametrize(("height", "width"), [(6, 4), (5, 6), (3, 3), (2, 2)])
def test_gradients_are_finite_differences(kernel: int, stride: int, dilation: int, height: int, width: int) -> None:
    layer = fuse(DepthwiseConv2d(2, kernel, stride, dilation).double())

    def call(x: Tensor, weight: Tensor) -> Tensor:
        return functional_call(layer, {"weight": weight}, (channels_last(x),))

    assert torch.autograd.gradcheck(call, (maps(2, 2, height, width), layer.weight))


@pytest.mark.parametrize(("kernel", "stride", "dilation"), GEOMETRIES)
def test_gradients_can_be_differentiated(kernel: int, stride: int, dilation: int) -> None:
    weight = torch.randn(1, 1, kernel, kernel, dtype=torch.float64, requires_grad=True)
    inputs = (maps(2, 1, 4, 4), weight)
    assert torch.autograd.gradgradcheck(
        lambda x, w: depthwise_convolution(channels_last(x), w, stride, dilation), inputs
    )


@pytest.mark.parametrize(("kernel", "stride", "dilation"), GEOMETRIES)
def test_in_float32_it_matches_torch(kernel: int, stride: int, dilation: int) -> None:
    layer, x = fuse(DepthwiseConv2d(16, kernel, stride, dilation)), maps(8, 16, 32, 32, dtype=torch.float32)
    found, expected = layer(x), nn.Conv2d.forward(layer, x)
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected)
    direction = torch.randn_like(found)
    gradients = [torch.autograd.grad(output, (x, layer.weight), direction) for output in (found, expected)]
    torch.testing.assert_close(gradients[0][0], gradients[1][0])
    torch.testing.assert_close(gradients[0][1], gradients[1][1], rtol=1e-4, atol=1e-3)


def test_when_gradients_are_those_of_torch() -> None:
    def own(x: Tensor, stride: int = 1, dilation: int = 1) -> bool:
        output = fuse(DepthwiseConv2d(2, 3, stride, dilation))(x)
        assert output.grad_fn is not None
        return "_Depthwise" not in output.grad_fn.name()

    even, odd = maps(1, 2, 4, 4, dtype=torch.float32), maps(1, 2, 5, 4, dtype=torch.float32)
    assert not own(even)
    assert not own(odd)
    assert not own(even, dilation=2)
    assert not own(even, stride=2, dilation=2)
    assert own(odd, dilation=2)
    assert own(even, stride=2)
    assert own(even.detach().contiguous().requires_grad_())
    with torch.autocast("cpu", torch.bfloat16):
        assert own(even)


def test_gradients_can_be_requested_separately() -> None:
    layer, x = fuse(DepthwiseConv2d(2, 5, 1, 1).double()), maps(2, 2, 4, 4)
    both = torch.autograd.grad(layer(x).square().sum(), (x, layer.weight))
    assert torch.equal(torch.autograd.grad(layer(x).square().sum(), x)[0], both[0])
    assert torch.equal(torch.autograd.grad(layer(x.detach()).square().sum(), layer.weight)[0], both[1])


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_the_weights_gradient_sums_products_of_shifted_maps(kernel: int, dilation: int) -> None:
    x, gradient = (maps(2, 3, 6, 8).detach() for _ in range(2))
    reach = dilation * (kernel // 2)
    padded = nn.functional.pad(x, (reach,) * 4)
    found = weight_gradient(x, gradient, kernel, dilation)
    for i, j in itertools.product(range(kernel), repeat=2):
        shifted = padded[:, :, i * dilation : i * dilation + 6, j * dilation : j * dilation + 8]
        torch.testing.assert_close(found[:, 0, i, j], (shifted * gradient).sum(dim=(0, 2, 3)))
