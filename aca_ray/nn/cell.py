"""A cell of the supernet: every edge of the topology, each with all its candidates."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from torch import Tensor, nn

from aca_ray.nn.edges import EdgeBuilder, EdgeObservation, JointOutputs, SearchEdge, joint_outputs
from aca_ray.nn.mixing import CellMixing
from aca_ray.nn.operations import FactorizedReduce, relu_conv_norm
from aca_ray.nn.small_maps import concatenate_channels, images_last
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType

CellObserver = Callable[[int, EdgeObservation], None]


class CellInputs(nn.Module):
    """Brings the outputs of the two previous cells to `channels` channels and to one resolution.

    Source: DARTS' official code.
    """

    def __init__(
        self, before_channels: int, previous_channels: int, channels: int, *, after_reduction: bool, affine: bool
    ) -> None:
        super().__init__()
        self.before = (
            FactorizedReduce(before_channels, channels, affine=affine)
            if after_reduction
            else relu_conv_norm(before_channels, channels, affine=affine)
        )
        self.previous = relu_conv_norm(previous_channels, channels, affine=affine)

    def forward(self, before: Tensor, previous: Tensor) -> list[Tensor]:
        return [images_last(self.before(before)), images_last(self.previous(previous))]


class SearchCell(nn.Module):
    """Computes every node as the sum of all its incoming edges and returns the nodes' concatenation (B, N*C, H, W)."""

    def __init__(
        self,
        space: Space,
        cell_type: CellType,
        build_edge: EdgeBuilder,
        before_channels: int,
        previous_channels: int,
        channels: int,
        *,
        after_reduction: bool,
    ) -> None:
        super().__init__()
        self.cell_type = cell_type
        self.topology = space.topology
        self.inputs = CellInputs(
            before_channels, previous_channels, channels, after_reduction=after_reduction, affine=False
        )
        self.edges = nn.ModuleList(
            build_edge(names, channels, 2 if cell_type == "reduce" and edge.source < self.topology.num_inputs else 1)
            for names, edge in zip(space.candidates(cell_type), self.topology.edges, strict=True)
        )
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
        joint: dict[int, JointOutputs | None] = {}
        for incoming, outgoing in zip(self.incoming, self.outgoing, strict=True):
            total: Tensor | None = None
            for index in incoming:
                source = states[self.topology.edges[index].source]
                watch = None if observe is None else (lambda seen, index=index: observe(index, seen))
                term = self.edges[index](source, mixing.operations[index], watch, joint[index])
                if edge_scales is not None:
                    term = term * edge_scales[index]
                total = term if total is None else total + term
            if total is not None:  # the first states are the cell's inputs and have no incoming edges
                states.append(images_last(total))
            joint.update(self._join(outgoing, states, mixing))
        return concatenate_channels(states[self.topology.num_inputs :])

    def _join(
        self, outgoing: tuple[int, ...], states: list[Tensor], mixing: CellMixing
    ) -> dict[int, JointOutputs | None]:
        """Return what edges that leave one state compute together, by edge."""
        if not outgoing:
            return {}
        candidates = [cast(SearchEdge, self.edges[index]).candidates for index in outgoing]
        state = states[self.topology.edges[outgoing[0]].source][:, : candidates[0].channels]
        found = joint_outputs(candidates, state, mixing.operations[list(outgoing)])
        return dict(zip(outgoing, found, strict=True))
