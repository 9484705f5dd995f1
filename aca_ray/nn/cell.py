"""A cell of the supernet: every edge of the topology that is not deleted, each with all its candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor, nn

from aca_ray.nn.edges import EdgeBuilder, EdgeObservation, FullEdge, Observer, SearchEdge, plus
from aca_ray.nn.mixing import CellMixing
from aca_ray.nn.skeleton import SKELETONS, Cell, Site
from aca_ray.space.spaces import DELETED, Space

CellObserver = Callable[[int, EdgeObservation], None]


class SearchCell(Cell):
    """Computes every node as the sum of all its incoming edges and returns the output nodes' concatenation.

    A deleted edge is an edge without a module inside, whatever the builder builds around candidates; no node adds it.

    Attributes:
        incoming: indices of the edges that are not deleted, by the node in which they end.
    """

    def __init__(self, space: Space, site: Site, build_edge: EdgeBuilder) -> None:
        super().__init__()
        self.cell_type = site.cell_type
        self.topology = space.topology
        self.out_channels = len(self.topology.output_nodes) * site.channels
        self.inputs = SKELETONS[self.topology.num_inputs].inputs(site, affine=False)
        present = space.present(self.cell_type)
        self.incoming = {
            node: tuple(index for index in self.topology.incoming(node) if index in present)
            for node in self.topology.intermediate_nodes
        }
        self.edges = nn.ModuleList(
            (FullEdge if names == DELETED else build_edge)(
                names,
                site.channels,
                2 if self.cell_type == "reduce" and edge.source < self.topology.num_inputs else 1,
            )
            for names, edge in zip(space.candidates(self.cell_type), self.topology.edges, strict=True)
        )

    def forward(
        self, before: Tensor, previous: Tensor, mixing: CellMixing, observe: CellObserver | None = None
    ) -> Tensor:
        """Return the (B, out_channels, H', W') output.

        Args:
            before: output of the cell before the previous one.
            previous: output of the previous cell.
            mixing: mixing weights of the cell's type.
            observe: callback that gets (edge index, observation) for every edge that is not deleted.
        """
        states = list(self.inputs(before, previous))
        for node in self.topology.intermediate_nodes:
            total: Tensor | None = None
            groups = 1
            for index in self.incoming[node]:
                edge = self.edge(index)
                state = states[self.topology.edges[index].source]
                output = edge(state, mixing.operations[index], edge_observer(observe, index))
                total = plus(total, output, None if mixing.edges is None else mixing.edges[index])
                groups = edge.groups
            if total is None:  # only in cells of one input, whose nodes have the input's size
                total = torch.zeros_like(states[0])
            states.append(total if groups == 1 else torch.channel_shuffle(total, groups))
        return torch.cat([states[node] for node in self.topology.output_nodes], dim=1)

    def edge(self, index: int) -> SearchEdge:
        """Return an edge by its index."""
        return cast(SearchEdge, self.edges[index])


def edge_observer(observe: CellObserver | None, index: int) -> Observer | None:
    """Return the observer of one edge of a cell; None if the cell is not observed."""
    return None if observe is None else lambda seen: observe(index, seen)
