"""Edges that compute only the drawn candidates."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from aca_ray.nn.edges import EdgeBuilder, EdgeObservation, FullEdge, SampledEdge, SampledEdgeWithScalars

NAMES = ("none", "max_pool_3x3", "skip_connect", "dil_conv_3x3")
BOTH = pytest.mark.parametrize("build_edge", [SampledEdge, SampledEdgeWithScalars])


def one_hot(index: int) -> Tensor:
    return torch.eye(len(NAMES))[index]


@BOTH
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("weights", [*torch.eye(4), torch.tensor([0.0, 1.0, 0.0, 1.0]), torch.rand(4) + 0.1])
def test_the_output_equals_that_of_a_full_edge_with_plain_pooling(
    build_edge: EdgeBuilder, stride: int, weights: Tensor
) -> None:
    edge, full = build_edge(NAMES, 4, stride), FullEdge(NAMES, 4, stride)
    full.candidates.operations["max_pool_3x3"] = nn.MaxPool2d(3, stride, padding=1)
    full.candidates.load_state_dict(edge.candidates.state_dict())
    images = torch.randn(2, 4, 12, 12)
    assert torch.equal(edge(images, weights), full(images, weights))


@BOTH
@pytest.mark.parametrize("pooling", ["max_pool_3x3", "avg_pool_3x3"])
def test_no_batch_norm_follows_a_pooling(build_edge: EdgeBuilder, pooling: str) -> None:
    images = 3.0 + torch.randn(2, 4, 8, 8)
    maximum = pooling.startswith("max")
    found = build_edge((pooling,), 4, 1)(images, torch.ones(1))
    for row, column in ((0, 0), (3, 5), (7, 7)):
        window = images[:, :, max(0, row - 1) : row + 2, max(0, column - 1) : column + 2].flatten(2)
        expected = window.amax(dim=2) if maximum else window.mean(dim=2)
        assert torch.allclose(found[:, :, row, column], expected, atol=1e-6)


@BOTH
def test_candidates_that_were_not_drawn_are_not_computed(build_edge: EdgeBuilder) -> None:
    edge = build_edge(NAMES, 4, 1)
    for index in range(4):
        edge(torch.randn(2, 4, 8, 8), one_hot(index))
    seen = {
        name: int(module.num_batches_tracked)
        for name, operation in edge.candidates.operations.items()
        for module in operation.modules()
        if isinstance(module, nn.BatchNorm2d)
    }
    assert seen == {"dil_conv_3x3": 1}
    edge(torch.randn(2, 4, 8, 8), one_hot(3)).sum().backward()
    assert all(parameter.grad is not None for parameter in edge.candidates.operations["dil_conv_3x3"].parameters())
    edge.zero_grad()
    edge(torch.randn(2, 4, 8, 8), one_hot(1), None).requires_grad_().sum().backward()
    assert all(parameter.grad is None for parameter in edge.parameters())


@pytest.mark.parametrize("drawn", range(4))
def test_gradients_of_the_mixing_weights(drawn: int) -> None:
    images, upstream = torch.randn(2, 4, 8, 8), torch.randn(2, 4, 8, 8)
    plain = SampledEdge(NAMES, 4, 1).eval()
    scalars = SampledEdgeWithScalars(NAMES, 4, 1).eval()
    scalars.sampled.load_state_dict(plain.state_dict())
    own = torch.zeros(4)
    if drawn > 0:
        own[drawn] = (upstream * plain.candidates.operations[NAMES[drawn]](images)).sum()

    weights = one_hot(drawn).requires_grad_()
    (scalars(images, weights) * upstream).sum().backward()
    expected = own + upstream.sum() * (1 - one_hot(drawn))
    assert torch.allclose(weights.grad, expected, atol=1e-4)

    weights = one_hot(drawn).requires_grad_()
    total = (plain(images, weights) * upstream).sum()
    (gradient,) = torch.autograd.grad(total, weights) if drawn > 0 else (torch.zeros(4),)
    assert torch.allclose(gradient, own, atol=1e-4)


@BOTH
@pytest.mark.parametrize("weights", [one_hot(2), torch.full((4,), 0.25)])
def test_an_observer_sees_every_candidate_and_the_sum_within_the_graph(
    build_edge: EdgeBuilder, weights: Tensor
) -> None:
    edge = build_edge(NAMES, 4, 1).eval()
    images = torch.randn(2, 4, 8, 8)
    seen: list[EdgeObservation] = []
    output = edge(images, weights, seen.append)
    (observation,) = seen
    assert torch.equal(observation.input, images)
    assert set(observation.outputs) == set(NAMES) - {"none"}
    for name, found in observation.outputs.items():
        assert torch.equal(found, edge.candidates.operations[name](images))
    upstream = torch.randn_like(output)
    assert torch.equal(torch.autograd.grad((output * upstream).sum(), observation.mixed)[0], upstream)


@BOTH
def test_entries_beyond_the_candidates_are_not_read(build_edge: EdgeBuilder) -> None:
    edge = build_edge(("noise", "skip_connect"), 4, 1)
    images = torch.randn(2, 4, 8, 8)
    assert torch.equal(edge(images, torch.tensor([0.0, 1.0, torch.nan])), images)
    nothing = build_edge(("none",), 4, 2)
    assert torch.equal(nothing(images, torch.tensor([1.0, 0.0, 0.0])), torch.zeros(2, 4, 4, 4))
