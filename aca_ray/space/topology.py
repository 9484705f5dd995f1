"""The edges of a cell, and the stages of a network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

CellType = Literal["normal", "reduce"]
CELL_TYPES: tuple[CellType, ...] = get_args(CellType)

KEPT_PER_NODE = 2  # edges into a node of a derived cell of two inputs; cells of one input keep every edge
NUM_STAGES = 5  # normal, reduce, normal, reduce, normal


class Edge(NamedTuple):
    """A directed edge of a cell, from node `source` to node `target`."""

    source: int
    target: int


@dataclass(frozen=True)
class Topology:
    """A densely connected cell: nodes 0..num_inputs-1 are inputs, the others sum over all earlier nodes.

    Cells of two inputs belong to the skeleton of DARTS, cells of one input to the residual skeleton of NAS-Bench-201.

    Attributes:
        num_inputs: number of nodes that are outputs of earlier cells, 1 or 2.
        num_nodes: number of intermediate nodes, which are numbered from num_inputs on.
    """

    num_inputs: int
    num_nodes: int

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, node-major: every edge into a node precedes those into the next, sources ascending."""
        return tuple(Edge(source, target) for target in self.intermediate_nodes for source in range(target))

    @property
    def intermediate_nodes(self) -> range:
        """The computed nodes, in order."""
        return range(self.num_inputs, self.num_inputs + self.num_nodes)

    @property
    def output_nodes(self) -> range:
        """The nodes whose concatenation is the cell's output: all computed nodes; with one input, only the last."""
        return self.intermediate_nodes if self.num_inputs > 1 else self.intermediate_nodes[-1:]

    def incoming(self, node: int) -> tuple[int, ...]:
        """Return the indices (into `edges`) of the edges that end in a node, sources ascending."""
        return tuple(index for index, edge in enumerate(self.edges) if edge.target == node)


DARTS_TOPOLOGY = Topology(num_inputs=2, num_nodes=4)
NASBENCH201_TOPOLOGY = Topology(num_inputs=1, num_nodes=3)


def edge_names(topology: Topology) -> list[str]:
    """Return the names of all edges of a cell, such as `0->2`, from node 0 to node 2."""
    return [f"{source}->{target}" for source, target in topology.edges]


def reduction_cells(num_cells: int) -> tuple[int, int]:
    """Return the indices of the two reduction cells of a network, floor(L/3) and floor(2L/3).

    Source: Liu et al. 2019 (DARTS), section 3.1.1.
    """
    return num_cells // 3, 2 * num_cells // 3


def stage_of_cell(cell_index: int, num_cells: int) -> int:
    """Return the stage of a cell, 0 to 4: even stages have normal cells, odd stages one reduction cell each."""
    first, second = reduction_cells(num_cells)
    return 2 * ((cell_index > first) + (cell_index > second)) + (cell_index in (first, second))


def stage_cell_type(stage: int) -> CellType:
    """Return the type of the cells in a stage."""
    return "reduce" if stage % 2 else "normal"
