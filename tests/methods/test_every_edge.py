"""The derivation of one-input cells, from hand-written mixing weights."""

from __future__ import annotations

import itertools

import torch

from aca_ray.methods.parts.derivation import every_edge
from aca_ray.nn import CellMixing, Mixing
from aca_ray.space import SPACES, Genotype, Space, without_skip
from aca_ray.space.nasbench201 import architecture_string

SPACE = SPACES["nasbench201"]


def derive(rows: torch.Tensor, space: Space = SPACE) -> Genotype:
    return every_edge(Mixing(CellMixing(rows), CellMixing(torch.zeros(0, 0))), space)


def test_every_edge_takes_its_largest_weight() -> None:
    rows = torch.full((6, 5), 0.1)
    for edge, winner in enumerate([3, 1, 0, 4, 2, 0]):
        rows[edge, winner] = 0.2
    assert architecture_string(derive(rows)) == (
        "|nor_conv_3x3~0|+|skip_connect~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|none~2|"
    )


def test_ties_go_to_the_earlier_candidate() -> None:
    rows = torch.zeros(6, 5)
    assert derive(rows).normal.edges == ()
    rows[:, 2:] = 1.0
    assert {edge.operation for edge in derive(rows).normal.edges} == {"nor_conv_1x1"}


def test_nothing_is_pruned() -> None:
    rows = torch.tensor(list(itertools.repeat([0.0, 0.1, 0.2, 0.4, 0.3], 6)), requires_grad=True)
    kept = derive(rows).normal
    assert [edge.edge for edge in kept.edges] == list(SPACE.topology.edges)
    assert (kept.concat, kept.num_inputs) == ((3,), 1)


def test_columns_are_those_of_the_space() -> None:
    rows = torch.tensor([[0.1, 0.2, 0.3, 0.4]] * 6)
    assert {edge.operation for edge in derive(rows, without_skip(SPACE)).normal.edges} == {"plain_avg_pool_3x3"}
