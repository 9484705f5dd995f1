"""Where the edges of a cell run, and where the cells of a network stand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple, get_args

CellType = Literal["normal", "reduce"]
CELL_TYPES: tuple[CellType, ...] = get_args(CellType)

NUM_STAGES = 5  # normal, reduce, normal, reduce, normal


class Edge(NamedTuple):
    """A directed edge of a cell, from node `source` to node `target`."""

    source: int
    target: int


@dataclass(frozen=True)
class Topology:
    """A densely connected cell: nodes 0..num_inputs-1 are inputs, the others sum over all earlier nodes.

    Cells of two inputs stand in the skeleton of DARTS, cells of one input in the residual skeleton of NAS-Bench-201.

    Attributes:
        num_inputs: nodes that are outputs of earlier cells, 1 or 2.
        num_nodes: intermediate nodes, numbered from num_inputs on.
    """

    num_inputs: int
    num_nodes: int

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """All edges, node-major: every edge into a node stands before those into the next, sources ascending."""
        return tuple(Edge(source, target) for target in self.intermediate_nodes for source in range(target))

    @property
    def intermediate_nodes(self) -> range:
        """The nodes that compute something, in order."""
        return range(self.num_inputs, self.num_inputs + self.num_nodes)

    @property
    def output_nodes(self) -> range:
        """The nodes whose concatenation is the cell's output: all that compute, with one input the last alone."""
        return self.intermediate_nodes if self.num_inputs > 1 else self.intermediate_nodes[-1:]

    def incoming(self, node: int) -> tuple[int, ...]:
        """Return the indices (into `edges`) of the edges that end in a node, sources ascending."""
        return tuple(index for index, edge in enumerate(self.edges) if edge.target == node)


DARTS_TOPOLOGY = Topology(num_inputs=2, num_nodes=4)
NASBENCH201_TOPOLOGY = Topology(num_inputs=1, num_nodes=3)


def reduction_cells(num_cells: int) -> tuple[int, int]:
    """Return the indices of the two reduction cells of a network, floor(L/3) and floor(2L/3).

    Source: Liu et al. 2019 (DARTS), section 3.1.1.
    """
    return num_cells // 3, 2 * num_cells // 3


def stage_of_cell(cell_index: int, num_cells: int) -> int:
    """Return the stage, 0 to 4, in which a cell stands: even ones hold normal cells, odd ones a reduction cell each."""
    first, second = reduction_cells(num_cells)
    return 2 * ((cell_index > first) + (cell_index > second)) + (cell_index in (first, second))


def stage_cell_type(stage: int) -> CellType:
    """Return which of the two cells a stage is built from."""
    return "reduce" if stage % 2 else "normal"
