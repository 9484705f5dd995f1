"""Every method on cells with deleted edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from compact_spaces import compact

from aca_ray.channels.ranking import rank_channels
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.pr_darts import group_penalty
from aca_ray.methods.registry import find_method, methods
from aca_ray.methods.views import ArchState
from aca_ray.nn import CellMixing, DerivedNetwork, Mixing
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, find_space, without_skip

BuildSearch = Callable[..., Search]

NAMES = ("max_pool_3x3", "skip_connect", "sep_conv_3x3")
TWO_INPUTS = replace(
    compact(SPACES["s2"]), normal=(NAMES, NAMES, ("none",), NAMES, NAMES), reduce=(*(NAMES,) * 4, ("none",))
)
ONE_INPUT = find_space("nasbench201(none,skip_connect,nor_conv_3x3;normal 0->1=none;normal 1->2=none;normal 1->3=none)")
IN_EVERY_TIER = {"darts", "fair_darts", "gdas", "pc_darts", "pr_darts"}


def cases() -> Iterator[Any]:
    for method in methods().values():
        marks = [] if method.name in IN_EVERY_TIER else [pytest.mark.slow]
        for name, space in (("two_inputs", TWO_INPUTS), ("one_input", ONE_INPUT)):
            if method.refuses(space) is None:
                yield pytest.param(method, space, id=f"{method.name}-{name}", marks=marks)


@pytest.mark.parametrize(("method", "space"), list(cases()))
def test_a_search_to_its_ranked_and_derived_network(
    build_search: BuildSearch, method: SearchMethod, space: Space
) -> None:
    for own in (space, without_skip(space)):
        search = build_search(method, own, num_epochs=4, num_cells=3)
        search.clock = 3
        search.step(3, 0)
        search.clock = 3
        search.step(3, 1)
        genotype, metrics = search.genotype(), search.end_epoch(3)
        assert all(bool(parameter.isfinite().all()) for parameter in search.parameters.values())
        assert 0.0 <= metrics["arch/entropy"] <= 1.0
        for kind in own.cell_types:
            left = {own.topology.edges[index] for index in own.present(kind)}
            assert {edge.edge for edge in genotype.cell(kind).edges} <= left < set(own.topology.edges)
            if own.topology.num_inputs == 2 and method.name != "fair_darts":
                assert [edge.target for edge in genotype.cell(kind).edges] == [2, 2, 3, 3]
        batches = [(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))]
        scores = rank_channels(search.network, search.mixing(), search.space, genotype, batches, "taylor_identity", 0)
        assert {(edge.source, edge.target) for edge in scores.edges} == {
            edge.edge for kind in own.cell_types for edge in genotype.cell(kind).edges
        }
        network = DerivedNetwork(genotype, None, channels=4, num_cells=3, num_classes=3)
        assert bool(network(torch.randn(2, 3, 8, 8)).isfinite().all())


def test_edge_weights_of_a_node_are_shared_by_the_edges_that_are_left() -> None:
    method = find_method("pc_darts")
    parameters = method.initial_parameters(TWO_INPUTS, torch.Generator().manual_seed(0))
    mixing = method.mixing(TWO_INPUTS, parameters, Moment(0, 1))
    beta = parameters["beta_normal"]
    assert mixing.normal.edges is not None
    assert mixing.reduce.edges is not None
    torch.testing.assert_close(mixing.normal.edges[:2], beta[:2].softmax(dim=0))
    assert mixing.normal.edges[2] == 0.0
    torch.testing.assert_close(mixing.normal.edges[3:], beta[3:].softmax(dim=0))
    assert mixing.reduce.edges[4] == 0.0
    (gradient,) = torch.autograd.grad(mixing.normal.edges.square().sum(), beta)
    assert gradient[2] == 0.0


def test_a_node_without_edges_has_finite_edge_weights() -> None:
    method = find_method("pc_darts")
    parameters = method.initial_parameters(ONE_INPUT, torch.Generator().manual_seed(0))
    edges = method.mixing(ONE_INPUT, parameters, Moment(0, 1)).normal.edges
    assert edges is not None
    assert bool(edges.isfinite().all())


def test_gates_of_deleted_edges_are_in_no_group() -> None:
    """The group of the convolutions has `none`, which is the only candidate of a deleted edge."""
    alpha = {"alpha_normal": torch.full((5, 3), 4.0), "alpha_reduce": torch.full((5, 3), 4.0)}
    gates = Mixing(CellMixing(torch.zeros(5, 3)), CellMixing(torch.zeros(5, 3)))
    gates.normal.operations[2, 0] = gates.reduce.operations[4, 0] = 1.0
    assert group_penalty(ArchState(alpha, gates, TWO_INPUTS, Moment(0, 1))) == 0.0
    gates.normal.operations[0, 2] = 1.0  # a convolution of another edge
    assert group_penalty(ArchState(alpha, gates, TWO_INPUTS, Moment(0, 1))) > 0.0
