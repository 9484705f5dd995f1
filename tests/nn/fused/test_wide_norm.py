"""Batch norms over rows of several pixels, against torch's."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.nn.fused.maps import channels_last
from aca_ray.nn.fused.wide_norm import is_faster, wide_norm


@pytest.fixture
def two_threads() -> Iterator[None]:
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(1)


def maps(channels: int, side: int = 8) -> Tensor:
    return channels_last(3.0 + 2.0 * torch.randn(4, channels, side, side, dtype=torch.float64)).requires_grad_()


def plain(x: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    mean, variance = (torch.zeros(x.shape[1], dtype=x.dtype) for _ in range(2))
    return functional.batch_norm(x, mean, variance, weight, None, True, 1.0, 1e-5), mean, variance


@pytest.mark.parametrize("channels", [1, 4, 8, 12, 24])
@pytest.mark.parametrize("weighted", [True, False])
def test_outputs_statistics_and_gradients_match_torch(channels: int, weighted: bool) -> None:
    x, direction = maps(channels), torch.randn(4, channels, 8, 8, dtype=torch.float64)
    weight = torch.rand(channels, dtype=torch.float64).requires_grad_() if weighted else None
    inputs = [x] if weight is None else [x, weight]
    for found, expected in zip(wide_norm(x, weight, 1e-5), plain(x, weight), strict=True):
        torch.testing.assert_close(found, expected)
    found, expected = (
        torch.autograd.grad((normed * direction).sum(), inputs)
        for normed in (wide_norm(x, weight, 1e-5)[0], plain(x, weight)[0])
    )
    torch.testing.assert_close(found, expected)


def test_curvature_matches_torch() -> None:
    x, weight = maps(4), torch.rand(4, dtype=torch.float64).requires_grad_()

    def curvature(normed: Tensor) -> tuple[Tensor, ...]:
        gradients = torch.autograd.grad(normed.pow(3).sum(), (x, weight), create_graph=True)
        return torch.autograd.grad(sum(own.square().sum() for own in gradients), (x, weight))

    torch.testing.assert_close(curvature(wide_norm(x, weight, 1e-5)[0]), curvature(plain(x, weight)[0]))


def test_maps_stay_channels_last() -> None:
    x = maps(8)
    normed, _, _ = wide_norm(x, None, 1e-5)
    assert normed.is_contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(normed.square().sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.usefixtures("two_threads")
def test_when_it_is_faster() -> None:
    narrow = maps(8)
    assert is_faster(narrow)
    assert not is_faster(maps(16))
    assert not is_faster(narrow.contiguous())
    assert not is_faster(channels_last(torch.randn(1, 8, 3, 3)))  # no whole rows
    with torch.autocast("cpu", torch.bfloat16):
        assert not is_faster(narrow)
    torch.set_num_threads(1)
    assert not is_faster(narrow)
    assert is_faster(maps(4))
