"""Mixing weights from logits."""

from __future__ import annotations

import math

import torch

from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.relaxation import masked_softmax, softmax_incoming_edges
from aca_ray.methods.registry import find_method
from aca_ray.space import SPACES, Space, Topology


def test_softmax_over_real_candidates() -> None:
    alpha = torch.tensor([[0.0, math.log(3.0), 5.0], [7.0, 7.0, 7.0], [1.0, 2.0, 3.0]])
    mask = torch.tensor([[True, True, False], [True, True, True], [True, False, False]])
    weights = masked_softmax(alpha, mask)
    assert torch.allclose(weights, torch.tensor([[0.25, 0.75, 0.0], [1 / 3, 1 / 3, 1 / 3], [1.0, 0.0, 0.0]]))
    assert torch.equal(weights == 0, ~mask)


def test_softmax_over_edges_into_a_node() -> None:
    beta = torch.tensor([0.0, math.log(3.0), math.log(1.0), math.log(2.0), math.log(5.0)])
    weights = softmax_incoming_edges(beta, Topology(num_inputs=2, num_nodes=2))
    assert torch.allclose(weights, torch.tensor([0.25, 0.75, 0.125, 0.25, 0.625]))


def test_initial_parameters_are_small_and_one_per_candidate() -> None:
    generator = torch.Generator().manual_seed(0)
    darts = find_method("darts").initial_parameters(SPACES["darts"], generator)
    assert {name: tuple(value.shape) for name, value in darts.items()} == {
        "alpha_normal": (14, 8),
        "alpha_reduce": (14, 8),
    }
    values = torch.cat([value.detach().flatten() for value in darts.values()])
    assert 0.8e-3 < float(values.std()) < 1.2e-3
    partial = find_method("pc_darts").initial_parameters(SPACES["s1"], generator)
    assert {name: tuple(value.shape) for name, value in partial.items()} == {
        "alpha_normal": (14, 2),
        "alpha_reduce": (14, 2),
        "beta_normal": (14,),
        "beta_reduce": (14,),
    }


def test_mixing_of_a_method_with_edge_weights() -> None:
    space = Space(
        "tiny",
        Topology(num_inputs=2, num_nodes=1),
        normal=(("noise", "sep_conv_3x3"), ("noise",)),
        reduce=(("noise",), ("noise",)),
    )
    parameters = {
        "alpha_normal": torch.tensor([[0.0, math.log(4.0)], [3.0, 9.0]]),
        "alpha_reduce": torch.tensor([[1.0], [2.0]]),
        "beta_normal": torch.tensor([math.log(4.0), 0.0]),
        "beta_reduce": torch.tensor([0.0, 0.0]),
    }
    mixing = find_method("pc_darts").mixing(space, parameters, Moment(0, 1))
    assert torch.allclose(mixing.normal.operations, torch.tensor([[0.2, 0.8], [1.0, 0.0]]))
    assert torch.allclose(mixing.reduce.operations, torch.ones(2, 1))
    assert mixing.normal.edges is not None
    assert mixing.reduce.edges is not None
    assert torch.allclose(mixing.normal.edges, torch.tensor([0.8, 0.2]))
    assert torch.allclose(mixing.reduce.edges, torch.tensor([0.5, 0.5]))
    assert find_method("darts").mixing(space, parameters, Moment(0, 1)).normal.edges is None
