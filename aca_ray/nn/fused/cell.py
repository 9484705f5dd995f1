"""A cell of the supernet that fuses the candidates of all edges that leave one state."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import torch
from torch import Tensor

from aca_ray.nn.cell import CellObserver, SearchCell, edge_observer
from aca_ray.nn.edges import (
    AuxiliarySkipEdge,
    CandidateSum,
    DropPathEdge,
    FullEdge,
    Mix,
    Observer,
    PartialChannelEdge,
    SampledSum,
    plus,
)
from aca_ray.nn.fused.candidates import FusedOutputs, fused_outputs, mix_with
from aca_ray.nn.fused.maps import concatenate_channels, laid_out, part, shuffle_channels
from aca_ray.nn.mixing import CellMixing
from aca_ray.space.topology import Topology

# Edges that compute all candidates in every pass, on exactly the first `candidates.channels` channels of the state.
FUSABLE_EDGES = (FullEdge, PartialChannelEdge, AuxiliarySkipEdge, DropPathEdge)


class FusedSearchCell(SearchCell):
    """A cell that computes what `SearchCell` does, in fewer calls; the parts of partial edges are summed separately."""

    def forward(
        self, before: Tensor, previous: Tensor, mixing: CellMixing, observe: CellObserver | None = None
    ) -> Tensor:
        states = list(self.inputs(before, previous))
        rows = mixing.operations.unbind()
        edge_scales = None if mixing.edges is None else mixing.edges.unbind()
        fused: dict[int, FusedOutputs | None] = {}
        bypassed: dict[int, Tensor] = {}
        for number, outgoing in enumerate(_outgoing_edges(self.topology)):
            incoming = self.incoming.get(number, ())
            node = _NodeSum()
            for index in incoming:
                edge, source = self.edge(index), self.topology.edges[index].source
                state = states[source]
                mix = _mix(edge.candidates, index, mixing, rows[index], edge_observer(observe, index), fused[index])
                parts: tuple[Tensor, ...]
                if isinstance(edge, PartialChannelEdge):
                    if source not in bypassed:
                        bypassed[source] = edge.bypass(part(state, channels=slice(edge.candidates.channels, None)))
                    parts = (mix(part(state, channels=slice(edge.candidates.channels))), bypassed[source])
                else:
                    parts = (edge.around(state, mix),)
                node.add(parts, None if edge_scales is None else edge_scales[index])
            if incoming:
                states.append(shuffle_channels(node.state(), self.edge(incoming[0]).groups))
            elif number in self.incoming:  # only in cells of one input, whose nodes have the input's size
                states.append(torch.zeros_like(states[0]))
            fused.update(self._fuse(outgoing, states, rows, observed=observe is not None))
        return concatenate_channels([states[node] for node in self.topology.output_nodes])

    def _fuse(
        self, outgoing: tuple[int, ...], states: list[Tensor], rows: Sequence[Tensor], *, observed: bool
    ) -> dict[int, FusedOutputs | None]:
        """Return the fused outputs of the edges that leave one state, by edge."""
        edges = [self.edge(index) for index in outgoing]
        if not edges or not all(isinstance(edge, FUSABLE_EDGES) for edge in edges):
            return dict.fromkeys(outgoing)
        candidates = [edge.candidates for edge in edges]
        channels = {own.channels for own in candidates if own.columns}  # a deleted edge computes nothing
        if not channels:
            return dict.fromkeys(outgoing)
        state = part(states[self.topology.edges[outgoing[0]].source], channels=slice(*channels))
        # Not indexing, which would copy the index to the device.
        weights = torch.stack([rows[index] for index in outgoing])
        found = fused_outputs(candidates, laid_out(state), weights, observed=observed)
        return dict(zip(outgoing, found, strict=True))


def _mix(
    candidates: CandidateSum,
    index: int,
    mixing: CellMixing,
    weights: Tensor,
    observe: Observer | None,
    fused: FusedOutputs | None,
) -> Mix:
    """Return the function from an edge's candidates' input to their sum."""
    if fused is not None:
        return lambda x: mix_with(fused, candidates, x, weights, observe)
    if isinstance(candidates, SampledSum):
        return lambda x: candidates.drawn(x, weights, mixing.values[index], observe)
    return lambda x: candidates(laid_out(x), weights, observe)


@cache
def _outgoing_edges(topology: Topology) -> tuple[tuple[int, ...], ...]:
    """Return the indices of the edges out of every node, the cell's inputs first."""
    nodes = range(topology.num_inputs + topology.num_nodes)
    return tuple(tuple(index for index, edge in enumerate(topology.edges) if edge.source == node) for node in nodes)


class _NodeSum:
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
