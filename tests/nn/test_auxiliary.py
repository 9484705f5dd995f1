"""The auxiliary skip beside the candidates."""

from __future__ import annotations

import pytest
import torch

from aca_ray.nn import Supernet, num_parameters
from aca_ray.nn.blocks import FactorizedReduce
from aca_ray.nn.edges import AuxiliarySkipEdge, EdgeObservation, FullEdge
from aca_ray.space import SPACES

NAMES = ("none", "max_pool_3x3", "skip_connect", "dil_conv_3x3")
WEIGHTS = torch.tensor([0.4, 0.3, 0.2, 0.1])


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_at_stride_1_the_input_is_added(strength: float) -> None:
    edge = AuxiliarySkipEdge(NAMES, 4, 1).eval()
    edge.strength = strength
    images = torch.randn(2, 4, 8, 8)
    assert torch.allclose(edge(images, WEIGHTS), edge.candidates(images, WEIGHTS) + strength * images, atol=1e-6)


def test_at_stride_2_a_separate_reduction_is_added() -> None:
    edge = AuxiliarySkipEdge(NAMES, 4, 2).train()
    edge.strength = 0.5
    own, candidate = edge.auxiliary, edge.candidates.operations["skip_connect"]
    assert isinstance(own, FactorizedReduce)
    assert not own.norm.affine
    assert not {id(p) for p in own.parameters()} & {id(p) for p in candidate.parameters()}
    images = torch.randn(2, 4, 8, 8)
    rectified = images.relu()
    halves = [
        torch.einsum("oi,bihw->bohw", convolution.weight[:, :, 0, 0], rectified[:, :, first::2, first::2])
        for first, convolution in ((0, own.first), (1, own.second))
        if convolution is not None
    ]
    reduced = torch.cat(halves, dim=1)
    mean = reduced.mean(dim=(0, 2, 3), keepdim=True)
    variance = reduced.var(dim=(0, 2, 3), unbiased=False, keepdim=True)
    normed = (reduced - mean) / (variance + 1e-5).sqrt()
    added = edge(images, WEIGHTS) - edge.candidates(images, WEIGHTS)
    assert torch.allclose(added, 0.5 * normed, atol=1e-5)


def test_observers_see_only_the_candidates_and_gradients_pass_through() -> None:
    edge = AuxiliarySkipEdge(NAMES, 4, 1).eval()
    edge.strength = 0.5
    images = torch.randn(2, 4, 8, 8)
    seen: list[EdgeObservation] = []
    output = edge(images, WEIGHTS.clone().requires_grad_(), seen.append)
    (observation,) = seen
    assert set(observation.outputs) == set(NAMES) - {"none"}
    assert torch.allclose(observation.mixed + 0.5 * images, output)
    direction = torch.randn_like(output)
    (gradient,) = torch.autograd.grad((output * direction).sum(), observation.mixed)
    assert torch.equal(gradient, direction)


@pytest.mark.parametrize(("build_edge", "expected"), [(FullEdge, 1_930_618), (AuxiliarySkipEdge, 1_971_578)])
def test_supernet_parameters(build_edge: type[FullEdge] | type[AuxiliarySkipEdge], expected: int) -> None:
    with torch.device("meta"):
        network = Supernet(SPACES["darts"], channels=16, num_cells=8, num_classes=10, build_edge=build_edge)
    assert num_parameters(network) == expected
