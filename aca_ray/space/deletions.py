"""The rules of deleted edges: what is left of a cell must be a cell of the space's kind, without useless edges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from aca_ray.space.spaces import DELETED, EdgeCandidates
from aca_ray.space.topology import KEPT_PER_NODE, Edge, Topology, edge_names


def deletion_problems(topology: Topology, edges: Sequence[EdgeCandidates], place: str) -> list[str]:
    """Return all problems of the deleted edges of a cell.

    A derived cell of two inputs keeps two edges into every node, so at least two must be left. A cell of one input
    keeps every edge, so each must be on a path from its input to its output.

    Args:
        topology: the cell.
        edges: the candidates of every edge.
        place: place of the cell, for messages.
    """
    left = [edge for edge, names in zip(topology.edges, edges, strict=True) if names != DELETED]
    find = _of_two_inputs if topology.num_inputs > 1 else _of_one_input
    return list(find(topology, left, place))


def _of_two_inputs(topology: Topology, left: Sequence[Edge], place: str) -> Iterator[str]:
    for node in topology.intermediate_nodes:
        found = [name for name, edge in _named(topology, left) if edge.target == node]
        if len(found) < KEPT_PER_NODE:
            entering = [name for name, edge in _named(topology, topology.edges) if edge.target == node]
            yield (
                f"{place}: must leave at least {KEPT_PER_NODE} edges into node {node}, because a derived cell keeps "
                f"{KEPT_PER_NODE}; found {', '.join(found) or 'none'}. Keep more of {', '.join(entering)}"
            )


def _of_one_input(topology: Topology, left: Sequence[Edge], place: str) -> Iterator[str]:
    (output,) = topology.output_nodes
    fed = _reached(0, left)
    read = _reached(output, ((edge.target, edge.source) for edge in reversed(left)))
    if output not in fed:
        yield (
            f"{place}: must leave a path from node 0 to node {output}, found none in "
            f"{', '.join(name for name, _ in _named(topology, left)) or 'no edge'}. Keep more edges"
        )
        return
    for name, edge in _named(topology, left):
        if edge.source not in fed or edge.target not in read:
            here, there = (0, edge.source) if edge.source not in fed else (edge.target, output)
            yield (
                f"{place}.{name}: must be on a path from node 0 to node {output}, found none from node {here} to node "
                f"{there}. Delete this edge too ({name}: [])"
            )


def _named(topology: Topology, edges: Sequence[Edge]) -> list[tuple[str, Edge]]:
    """Return edges with their names."""
    return [(name, edge) for name, edge in zip(edge_names(topology), topology.edges, strict=True) if edge in edges]


def _reached(start: int, steps: Iterable[tuple[int, int]]) -> set[int]:
    """Return the nodes that are reached from one node by steps; those into a node precede those out of it."""
    reached = {start}
    for here, there in steps:
        if here in reached:
            reached.add(there)
    return reached
