"""Edges and stages are those of DARTS."""

from __future__ import annotations

import pytest

from aca_ray.space import Topology, reduction_cells, stage_cell_type, stage_of_cell
from aca_ray.space.topology import DARTS_TOPOLOGY


def test_edges_of_the_darts_cell() -> None:
    written_out = "0-2 1-2 0-3 1-3 2-3 0-4 1-4 2-4 3-4 0-5 1-5 2-5 3-5 4-5"
    assert [f"{source}-{target}" for source, target in DARTS_TOPOLOGY.edges] == written_out.split()
    assert [DARTS_TOPOLOGY.incoming(node)[0] for node in DARTS_TOPOLOGY.intermediate_nodes] == [0, 2, 5, 9]


@pytest.mark.parametrize(("num_inputs", "num_nodes"), [(1, 3), (2, 1), (2, 2), (2, 5)])
def test_incoming_edges_of_any_cell(num_inputs: int, num_nodes: int) -> None:
    topology = Topology(num_inputs, num_nodes)
    assert list(topology.intermediate_nodes) == list(range(num_inputs, num_inputs + num_nodes))
    seen = []
    for node in topology.intermediate_nodes:
        edges = [topology.edges[index] for index in topology.incoming(node)]
        assert edges == [(source, node) for source in range(node)]
        seen += topology.incoming(node)
    assert seen == list(range(len(topology.edges)))
    assert all(topology.incoming(node) == () for node in range(num_inputs))


@pytest.mark.parametrize(
    ("num_cells", "stages"),
    [
        (3, [0, 1, 3]),
        (4, [0, 1, 3, 4]),
        (5, [0, 1, 2, 3, 4]),
        (6, [0, 0, 1, 2, 3, 4]),
        (8, [0, 0, 1, 2, 2, 3, 4, 4]),
        (11, [0, 0, 0, 1, 2, 2, 2, 3, 4, 4, 4]),
        (20, [0] * 6 + [1] + [2] * 6 + [3] + [4] * 6),
    ],
)
def test_stages(num_cells: int, stages: list[int]) -> None:
    assert [stage_of_cell(index, num_cells) for index in range(num_cells)] == stages
    assert reduction_cells(num_cells) == (stages.index(1), stages.index(3))


def test_only_odd_stages_are_reductions() -> None:
    assert [stage_cell_type(stage) for stage in range(5)] == ["normal", "reduce", "normal", "reduce", "normal"]
