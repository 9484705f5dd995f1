"""Deleted edges add nothing to their nodes, whatever an edge computes around its candidates."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aca_ray.nn import CellMixing, Mixing, Supernet
from aca_ray.nn.cell import SearchCell
from aca_ray.nn.edges import (
    AuxiliarySkipEdge,
    DropPathEdge,
    EdgeBuilder,
    FullEdge,
    SampledEdge,
    attended_channels,
    partial_channels,
    ranked_partial_channels,
    skip_dropout,
)
from aca_ray.nn.fused import fuse
from aca_ray.space import CellType, Space, Topology, find_space

NAMES = ("skip_connect", "sep_conv_3x3")
# The first edge out of node 0, and one whose deletion leaves a node two edges.
NORMAL = (NAMES, NAMES, ("none",), NAMES, NAMES)
REDUCE = (NAMES, NAMES, NAMES, ("none",), NAMES)
SPACE = Space("deleted", Topology(num_inputs=2, num_nodes=2), normal=NORMAL, reduce=REDUCE)
ONE_INPUT = find_space("nasbench201(skip_connect,nor_conv_3x3;normal 0->1=none;normal 1->2=none;normal 1->3=none)")
BUILDERS: dict[str, EdgeBuilder] = {
    "full": FullEdge,
    "partial": partial_channels(2),
    "ranked partial": ranked_partial_channels(2),
    "attention": attended_channels(2),
    "sampled": SampledEdge,
    "auxiliary skip": AuxiliarySkipEdge,
    "drop path": DropPathEdge,
    "skip dropout": skip_dropout,
}
Accelerate = Callable[[Supernet], Supernet]


def mixing_of(space: Space, scales: bool) -> Mixing:
    def cell(kind: CellType) -> CellMixing:
        edges = space.candidates(kind)
        return CellMixing(torch.rand(len(edges), 2).double(), torch.rand(len(edges)).double() if scales else None)

    return Mixing(cell("normal"), cell("reduce"))


def node_sums(cell: SearchCell, before: Tensor, previous: Tensor, mixing: CellMixing, space: Space) -> Tensor:
    """Return the output of a cell, computed edge by edge without those that offer nothing."""
    states = list(cell.inputs(before, previous))
    for node in space.topology.intermediate_nodes:
        total, groups = torch.zeros(()), 1
        for index, edge in enumerate(space.topology.edges):
            if edge.target == node and space.candidates(cell.cell_type)[index] != ("none",):
                scale = 1.0 if mixing.edges is None else mixing.edges[index]
                total = total + scale * cell.edge(index)(states[edge.source], mixing.operations[index])
                groups = cell.edge(index).groups
        total = total if total.dim() else torch.zeros_like(states[0])
        states.append(torch.channel_shuffle(total, groups) if groups > 1 else total)
    return torch.cat([states[node] for node in space.topology.output_nodes], dim=1)


@pytest.mark.parametrize("scales", [False, True], ids=["plain sum", "edge weights"])
@pytest.mark.parametrize("space", [SPACE, ONE_INPUT], ids=["two inputs", "one input"])
@pytest.mark.parametrize("name", BUILDERS)
def test_cells_sum_the_other_edges(name: str, space: Space, scales: bool) -> None:
    network = Supernet(space, channels=4, num_cells=3, num_classes=3, build_edge=BUILDERS[name]).double().eval()
    network.set_strength(0.5)
    mixing = mixing_of(space, scales)
    images = torch.randn(2, 3, 12, 12, dtype=torch.float64)

    before, previous = network.stem(images)
    for cell in network.cells:
        own = mixing.cell(cell.cell_type)
        is_searched = isinstance(cell, SearchCell)
        output = node_sums(cell, before, previous, own, space) if is_searched else cell(before, previous, own)
        before, previous = previous, output
    expected = network.classifier(network.head(previous).mean(dim=(2, 3)))
    torch.testing.assert_close(network(images, mixing), expected, rtol=1e-9, atol=1e-10)
    torch.testing.assert_close(fuse(network)(images, mixing), expected, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("name", BUILDERS)
def test_they_have_no_weights_and_are_not_observed(name: str) -> None:
    for accelerate in (lambda network: network, fuse):
        network = accelerate(Supernet(SPACE, channels=4, num_cells=3, num_classes=3, build_edge=BUILDERS[name]))
        assert not any(name.startswith("cells.0.edges.2.") for name in network.state_dict())
        assert not any(name.startswith("cells.1.edges.3.") for name in network.state_dict())
        seen: set[tuple[int, int]] = set()
        mixing = Mixing(CellMixing(torch.rand(5, 2)), CellMixing(torch.rand(5, 2)))
        network(torch.randn(2, 3, 8, 8), mixing, lambda cell, edge, found, seen=seen: seen.add((cell, edge)))
        assert seen == {(0, edge) for edge in (0, 1, 3, 4)} | {(n, edge) for n in (1, 2) for edge in (0, 1, 2, 4)}
