"""Derivation of a genotype from mixing weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from aca_ray.nn.mixing import Mixing
from aca_ray.space.candidates import NONE
from aca_ray.space.genotype import RESIDUAL_BLOCK, CellGenotype, Genotype, KeptEdge
from aca_ray.space.spaces import Space
from aca_ray.space.topology import KEPT_PER_NODE, CellType, Topology


class Option(NamedTuple):
    """An operation on an edge that a derivation may choose, and how strong it is."""

    strength: float
    kept: KeptEdge


def options(mixing: Mixing, space: Space, cell_type: CellType) -> list[list[Option]]:
    """Return the options of every edge: all candidates except `none`, in column order.

    The strength of an operation is its mixing weight, times its edge's weight if edges are weighted. `none` takes part
    in a softmax but is never derived.

    Source: Liu et al. 2019 (DARTS), section 2.4; with edge weights, Xu et al. 2020 (PC-DARTS), section 3.3.
    """
    weights = mixing.cell(cell_type)
    strengths = weights.operations.detach()
    if weights.edges is not None:
        strengths = strengths * weights.edges.detach()[:, None]
    rows = zip(strengths.tolist(), space.candidates(cell_type), space.topology.edges, strict=True)
    return [
        [
            Option(value, KeptEdge(name, edge.source, edge.target))
            for value, name in zip(row, names, strict=False)
            if name != NONE
        ]
        for row, names, edge in rows
    ]


def strongest(choices: Iterable[Option], count: int) -> list[Option]:
    """Return the strongest options, strongest first; ties go to the earlier option."""
    return sorted(choices, key=lambda option: -option.strength)[:count]  # sorted is stable


def assemble(kept: Mapping[CellType, Iterable[Option]]) -> Genotype:
    """Return the genotype of the kept options of both cells, listed node by node."""

    def cell(cell_type: CellType) -> CellGenotype:
        edges = tuple(option.kept for option in kept[cell_type])
        return CellGenotype(edges, tuple(dict.fromkeys(edge.target for edge in edges)))

    return Genotype(normal=cell("normal"), reduce=cell("reduce"))


def strongest_by_edge(edges: Sequence[Sequence[Option]], topology: Topology, node: int) -> list[Option]:
    """Return the strongest option of every edge into a node, sources ascending; ties go to the earlier option."""
    options_of_edges = (edges[index] for index in topology.incoming(node))
    return [max(edge, key=lambda option: option.strength) for edge in options_of_edges if edge]


def two_per_node(mixing: Mixing, space: Space, cell_type: CellType) -> list[Option]:
    """Return, for every node of a cell, the two incoming edges with the strongest operation, strongest first.

    Ties go to the smaller source node and to the earlier candidate.

    Source: Liu et al. 2019 (DARTS), section 2.4.
    """
    edges = options(mixing, space, cell_type)
    by_node = (strongest_by_edge(edges, space.topology, node) for node in space.topology.intermediate_nodes)
    return [option for incoming in by_node for option in strongest(incoming, KEPT_PER_NODE)]


def top_two(mixing: Mixing, space: Space) -> Genotype:
    """Return the genotype that keeps, for every node, the two incoming edges with the strongest operation.

    Ties go to the smaller source node and to the earlier candidate; the two edges of a node are listed strongest first.

    Source: Liu et al. 2019 (DARTS), section 2.4.
    """
    return assemble({cell_type: two_per_node(mixing, space, cell_type) for cell_type in space.cell_types})


def top_two_pairs(mixing: Mixing, space: Space) -> Genotype:
    """Return the genotype that keeps, for every node, the two strongest pairs of an incoming edge and an operation.

    Both may lie on one edge. Ties go to the smaller source node and to the earlier candidate; strongest first.

    Source: Dong & Yang 2019 (GDAS) and Zhou et al. 2020 (PR-DARTS), official codes.
    """

    def kept(cell_type: CellType) -> Iterator[Option]:
        choices = options(mixing, space, cell_type)
        for node in space.topology.intermediate_nodes:
            incoming = space.topology.incoming(node)
            yield from strongest((option for index in incoming for option in choices[index]), KEPT_PER_NODE)

    return assemble({cell_type: kept(cell_type) for cell_type in space.cell_types})


def every_edge(mixing: Mixing, space: Space) -> Genotype:
    """Return the genotype with the candidate of the largest mixing weight on every edge of a one-input cell.

    No edge is pruned; `none` takes part, and an edge that it wins is absent. Ties go to the earlier candidate.

    Source: Dong & Yang 2020 (NAS-Bench-201), official code.
    """
    kept: list[KeptEdge] = []
    rows = mixing.normal.operations.tolist()
    for row, names, edge in zip(rows, space.normal, space.topology.edges, strict=True):
        name, _ = max(zip(names, row, strict=False), key=lambda pair: pair[1])  # max keeps the first of equals
        if name != NONE:
            kept.append(KeptEdge(name, *edge))
    concat = tuple(space.topology.output_nodes)
    return Genotype(CellGenotype(tuple(kept), concat, space.topology.num_inputs), RESIDUAL_BLOCK)
