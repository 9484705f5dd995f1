"""Every operation computes what its name says: receptive field, stride, normalization."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aca_ray.nn.blocks import FactorizedReduce
from aca_ray.nn.operations import OPERATIONS, build_candidate, build_operation, last_full_convolution

CONVOLUTIONS = ("sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "nor_conv_1x1", "nor_conv_3x3")
BUILDERS = pytest.mark.parametrize("build", [build_candidate, build_operation])


@BUILDERS
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_shapes(name: str, stride: int, build) -> None:
    output = build(name, 4, stride)(torch.randn(2, 4, 8, 12))
    assert output.shape == (2, 4, 8 // stride, 12 // stride)


@BUILDERS
@pytest.mark.parametrize(
    ("name", "offsets"),
    [
        ("max_pool_3x3", {0}),  # of a map that peaks at the center
        ("avg_pool_3x3", {-1, 0, 1}),
        ("skip_connect", {0}),
        ("sep_conv_3x3", {-2, -1, 0, 1, 2}),
        ("sep_conv_5x5", {-4, -3, -2, -1, 0, 1, 2, 3, 4}),
        ("dil_conv_3x3", {-2, 0, 2}),
        ("dil_conv_5x5", {-4, -2, 0, 2, 4}),
        ("nor_conv_1x1", {0}),
        ("nor_conv_3x3", {-1, 0, 1}),
        ("plain_avg_pool_3x3", {-1, 0, 1}),
        ("noise", set()),
    ],
)
def test_receptive_field(name: str, offsets: set[int], build) -> None:
    operation = build(name, 1, 1).eval()
    for parameter in operation.parameters():
        nn.init.ones_(parameter)  # keeps every ReLU open
    images = torch.ones(1, 1, 19, 19)
    images[0, 0, 9, 9] = 2.0
    images.requires_grad_()
    output = operation(images)[0, 0, 9, 9]
    seen: set[tuple[int, ...]] = set()
    if output.requires_grad:
        (gradient,) = torch.autograd.grad(output, images)
        seen = {(int(row) - 9, int(column) - 9) for row, column in gradient[0, 0].nonzero()}
    assert seen == {(row, column) for row in offsets for column in offsets}


def test_pooling_values() -> None:
    images = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(build_operation("max_pool_3x3", 1, 2)(images)[0, 0], torch.tensor([[5.0, 7.0], [13.0, 15.0]]))
    # Padding is not counted: the corner averages 0, 1, 4 and 5.
    averages = torch.tensor([[2.5, 4.0], [8.5, 10.0]])
    assert torch.allclose(build_operation("avg_pool_3x3", 1, 2)(images)[0, 0], averages)
    for build in (build_operation, build_candidate):
        assert torch.allclose(build("plain_avg_pool_3x3", 1, 2)(images)[0, 0], averages)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("name", OPERATIONS)
def test_batch_norms_have_weights_in_derived_networks_only(name: str, stride: int) -> None:
    def norms(module: nn.Module) -> list[bool]:
        return [m.affine for m in module.modules() if isinstance(m, nn.BatchNorm2d)]

    num_norms = (1 + name.startswith("sep")) if name in CONVOLUTIONS else 0
    if name == "skip_connect" and stride == 2:
        num_norms = 1
    assert norms(build_operation(name, 4, stride)) == [True] * num_norms
    pooled = name in ("max_pool_3x3", "avg_pool_3x3")
    assert norms(build_candidate(name, 4, stride)) == [False] * (1 if pooled else num_norms)


@pytest.mark.parametrize("name", ["max_pool_3x3", "avg_pool_3x3", *CONVOLUTIONS])
def test_candidates_are_standardized(name: str) -> None:
    output = build_candidate(name, 3, 1)(torch.randn(64, 3, 8, 8)).double()
    assert torch.allclose(output.mean(dim=(0, 2, 3)), torch.zeros(3).double(), atol=1e-5)
    assert torch.allclose(output.var(dim=(0, 2, 3), unbiased=False), torch.ones(3).double(), atol=1e-2)


def test_none_is_never_built() -> None:
    with pytest.raises(ValueError, match="'none'"):
        build_candidate("none", 4, 1)


@pytest.mark.parametrize("stride", [1, 2])
def test_noise_is_fresh_standard_normal_in_evaluation_too(stride: int) -> None:
    operation = build_candidate("noise", 4, stride).eval()
    images = torch.full((32, 4, 16, 16), 7.0)
    one, other = operation(images), operation(images)
    assert not torch.equal(one, other)
    assert abs(float(one.mean())) < 0.05
    assert float(one.std()) == pytest.approx(1.0, abs=0.05)


def reduced(x: Tensor, first: Tensor, second: Tensor | None) -> Tensor:
    """Return 1x1 convolutions as sums over channels, the second of shifted pixels, and an initial batch norm."""
    x = x.clamp(min=0)
    parts = [torch.einsum("oi,bihw->bohw", first, x[:, :, 0::2, 0::2])]
    if second is not None:
        parts.append(torch.einsum("oi,bihw->bohw", second, x[:, :, 1::2, 1::2]))
    return torch.cat(parts, dim=1) / (1.0 + 1e-5) ** 0.5


@pytest.mark.parametrize(("out_channels", "halves"), [(1, (1, 0)), (2, (1, 1)), (3, (2, 1)), (4, (2, 2)), (5, (3, 2))])
@pytest.mark.parametrize("size", [(6, 4), (32, 40)])  # small maps and large ones are computed in different ways
def test_factorized_reduce_of_even_and_odd_channels(
    out_channels: int, halves: tuple[int, int], size: tuple[int, int]
) -> None:
    module = FactorizedReduce(3, out_channels, affine=True).double().eval()
    images = torch.randn(2, 3, *size, dtype=torch.float64)
    first = module.first.weight[:, :, 0, 0]
    second = None if module.second is None else module.second.weight[:, :, 0, 0]
    assert (len(first), 0 if second is None else len(second)) == halves
    assert torch.allclose(module(images), reduced(images, first, second), atol=1e-12)
    # Weights of both convolutions, and two of the batch norm per channel.
    assert sum(parameter.numel() for parameter in module.parameters()) == 3 * out_channels + 2 * out_channels


@pytest.mark.parametrize("name", OPERATIONS)
def test_last_full_convolution(name: str) -> None:
    found = last_full_convolution(build_candidate(name, 4, 1))
    if name in CONVOLUTIONS:
        assert found is not None
        kernel = 3 if name == "nor_conv_3x3" else 1
        assert found.weight.shape == (4, 4, kernel, kernel)
    else:
        assert found is None
