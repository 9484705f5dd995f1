"""A cell of the supernet: every edge of the topology, each with all its candidates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from aca_ray.nn.edges.candidates import EdgeBuilder, EdgeObservation, PartialChannelEdge, SearchEdge, plus
from aca_ray.nn.fused.candidates import joint_outputs
from aca_ray.nn.fused.maps import concatenate_channels, laid_out, part, shuffle_channels
from aca_ray.nn.fused.operations import JointOutputs
from aca_ray.nn.mixing import CellMixing
from aca_ray.nn.skeleton import SKELETONS, Cell, Site
from aca_ray.space.spaces import Space

CellObserver = Callable[[int, EdgeObservation], None]


class _Node:
    """The sum of a node's incoming edges; parts of the channels are summed separately and concatenated once."""

    def __init__(self) -> None:
        self._parts: tuple[Tensor | None, ...] = ()

    def add(self, parts: tuple[Tensor, ...], scale: Tensor | None) -> None:
        """Add an edge's output, times a scale unless that is None."""
        sums = self._parts or (None,) * len(parts)
        self._parts = tuple(plus(own, part, scale) for own, part in zip(sums, parts, strict=True))

    def state(self) -> Tensor:
        """Return the whole sum."""
        parts = [own for own in self._parts if own is not None]
        return laid_out(parts[0]) if len(parts) == 1 else concatenate_channels(parts)


class SearchCell(Cell):
    """Computes every node as the sum of all its incoming edges and returns the output nodes' concatenation."""

    def __init__(self, space: Space, site: Site, build_edge: EdgeBuilder) -> None:
        super().__init__()
        self.cell_type = site.cell_type
        self.topology = space.topology
        self.out_channels = len(self.topology.output_nodes) * site.channels
        self.inputs = SKELETONS[self.topology.num_inputs].inputs(site, affine=False)
        self.edges = nn.ModuleList(
            build_edge(
                names,
                site.channels,
                2 if self.cell_type == "reduce" and edge.source < self.topology.num_inputs else 1,
            )
            for names, edge in zip(space.candidates(self.cell_type), self.topology.edges, strict=True)
        )
        self.reads_values = any(getattr(edge, "reads_values", False) for edge in self.edges)
        nodes = range(self.topology.num_inputs + self.topology.num_nodes)
        self.incoming = tuple(self.topology.incoming(node) for node in nodes)
        self.outgoing = tuple(
            tuple(index for index, edge in enumerate(self.topology.edges) if edge.source == node) for node in nodes
        )

    def forward(
        self, before: Tensor, previous: Tensor, mixing: CellMixing, observe: CellObserver | None = None
    ) -> Tensor:
        states = self.inputs(before, previous)
        edge_scales = None if mixing.edges is None else mixing.edges.unbind()
        rows = mixing.operations.unbind()
        values = mixing.values if self.reads_values else None
        joint: dict[int, JointOutputs | None] = {}
        bypassed: dict[int, Tensor] = {}
        for incoming, outgoing in zip(self.incoming, self.outgoing, strict=True):
            node = _Node()
            for index in incoming:
                edge, source = self.edges[index], self.topology.edges[index].source
                watch = None if observe is None else (lambda seen, index=index: observe(index, seen))
                ready = {"joint": joint[index]} if values is None else {"values": values[index]}
                parts: tuple[Tensor, ...]
                if isinstance(edge, PartialChannelEdge):
                    if source not in bypassed:
                        bypassed[source] = edge.bypassed(states[source])
                    parts = (edge.mixed(states[source], rows[index], watch, **ready), bypassed[source])
                else:
                    parts = (edge(states[source], rows[index], watch, **ready),)
                node.add(parts, None if edge_scales is None else edge_scales[index])
            if incoming:  # the first states are the cell's inputs
                groups = cast(SearchEdge, self.edges[incoming[0]]).groups
                states.append(shuffle_channels(node.state(), groups))
            joint.update(self._join(outgoing, states, rows, observed=observe is not None))
        return concatenate_channels([states[node] for node in self.topology.output_nodes])

    def _join(
        self, outgoing: tuple[int, ...], states: list[Tensor], rows: Sequence[Tensor], *, observed: bool
    ) -> dict[int, JointOutputs | None]:
        """Return the fused outputs of the edges that leave one state, by edge."""
        edges = [cast(SearchEdge, self.edges[index]) for index in outgoing]
        if not edges or not all(edge.joins for edge in edges):
            return dict.fromkeys(outgoing)
        candidates = [edge.candidates for edge in edges]
        state = part(states[self.topology.edges[outgoing[0]].source], channels=slice(candidates[0].channels))
        # Not indexing, which would copy the index to the device.
        weights = torch.stack([rows[index] for index in outgoing])
        found = joint_outputs(candidates, laid_out(state), weights, observed=observed)
        return dict(zip(outgoing, found, strict=True))
