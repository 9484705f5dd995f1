"""Genotypes of hand-written mixing weights."""

from __future__ import annotations

import itertools

import pytest
import torch

from aca_ray.methods.parts.derivation import top_two
from aca_ray.nn import CellMixing, Mixing
from aca_ray.space import SPACES, KeptEdge, Space, Topology

NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=2), normal=(NAMES,) * 5, reduce=(NAMES,) * 5)
NORMAL = [
    [0.1, 0.2, 0.3, 0.4],  # 0 to 2: sep, .4
    [0.0, 0.5, 0.3, 0.2],  # 1 to 2: max, .5
    [0.9, 0.0, 0.1, 0.0],  # 0 to 3: none dominates; skip, .1
    [0.4, 0.1, 0.2, 0.3],  # 1 to 3: none again; sep, .3
    [0.2, 0.2, 0.4, 0.2],  # 2 to 3: skip, .4
]
EVEN = [[0.25] * 4] * 5


def derive(normal: list[list[float]], edges: list[float] | None = None, space: Space = SPACE) -> list[KeptEdge]:
    weights = None if edges is None else torch.tensor(edges)
    cells = (CellMixing(torch.tensor(normal), weights), CellMixing(torch.tensor(EVEN)))
    return list(top_two(Mixing(*cells), space).normal.edges)


def test_two_strongest_edges_of_a_node_strongest_first() -> None:
    assert derive(NORMAL) == [
        ("max_pool_3x3", 1, 2),
        ("sep_conv_3x3", 0, 2),
        ("skip_connect", 2, 3),
        ("sep_conv_3x3", 1, 3),
    ]


def test_none_takes_part_but_is_never_derived() -> None:
    # Edge 0 to 3 loses because `none` has most of its weight, although its skip is 10 times its other candidates.
    assert ("skip_connect", 0, 3) not in derive(NORMAL)
    only_none = [[1.0, 0.0, 0.0, 0.0]] * 5
    assert derive(only_none) == [("max_pool_3x3", source, node) for node in (2, 3) for source in (0, 1)]


def test_ties_go_to_the_smaller_source_and_the_earlier_candidate() -> None:
    assert derive(EVEN) == [("max_pool_3x3", source, node) for node in (2, 3) for source in (0, 1)]
    # A tie for second place behind the last source.
    tied = [*EVEN[:4], [0.1, 0.1, 0.4, 0.4]]
    assert derive(tied)[2:] == [("skip_connect", 2, 3), ("max_pool_3x3", 0, 3)]


def test_edge_weights_multiply() -> None:
    # .4 * .6 and .5 * .4; .1 * .9, .3 * .01 and .4 * .09.
    assert derive(NORMAL, [0.6, 0.4, 0.9, 0.01, 0.09]) == [
        ("sep_conv_3x3", 0, 2),
        ("max_pool_3x3", 1, 2),
        ("skip_connect", 0, 3),
        ("skip_connect", 2, 3),
    ]


def test_cells_are_derived_from_their_own_weights() -> None:
    even, uneven = CellMixing(torch.tensor(EVEN)), CellMixing(torch.tensor(NORMAL))
    one, other = top_two(Mixing(uneven, even), SPACE), top_two(Mixing(even, uneven), SPACE)
    assert one.normal == other.reduce
    assert one.reduce == other.normal
    assert one.normal != one.reduce
    assert one.normal.concat == (2, 3)


def test_edges_with_fewer_candidates() -> None:
    ragged = Space("ragged", SPACE.topology, normal=(("noise",), *[NAMES] * 4), reduce=SPACE.reduce)
    # Entries beyond an edge's candidates are not read.
    assert derive([[0.3, 9.0, 9.0, 9.0], *NORMAL[1:]], space=ragged)[:2] == [("max_pool_3x3", 1, 2), ("noise", 0, 2)]


@pytest.mark.parametrize("name", [name for name, space in SPACES.items() if space.topology.num_inputs == 2])
def test_against_all_pairs_of_edges(name: str) -> None:
    """Of all ways to keep two edges per node with one operation each, the derived one has the largest sum."""
    space = SPACES[name]
    shape = (14, max(len(names) for names in space.normal))
    mixing = Mixing(*(CellMixing(torch.rand(shape).softmax(dim=1), torch.rand(14)) for _ in range(2)))
    genotype = top_two(mixing, space)
    for cell_type in ("normal", "reduce"):
        weights = mixing.cell(cell_type)
        assert weights.edges is not None
        strengths = weights.operations * weights.edges[:, None]
        for node in space.topology.intermediate_nodes:
            choices = {
                KeptEdge(operation, space.topology.edges[index].source, node): float(strengths[index, column])
                for index in space.topology.incoming(node)
                for column, operation in enumerate(space.candidates(cell_type)[index])
                if operation != "none"
            }
            pairs = [pair for pair in itertools.combinations(choices, 2) if pair[0].source != pair[1].source]
            best = max(pairs, key=lambda pair: choices[pair[0]] + choices[pair[1]])
            kept = [edge for edge in genotype.cell(cell_type).edges if edge.target == node]
            assert set(kept) == set(best)
            assert choices[kept[0]] >= choices[kept[1]]
