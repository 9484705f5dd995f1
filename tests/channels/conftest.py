"""A small search in float64: a supernet with settled batch norms, its mixing weights, a genotype and two batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
import torch
from torch import Tensor, nn

from aca_ray.channels import ChannelScores, EdgeScores, rank_channels
from aca_ray.nn import CellMixing, Mixing, Supernet
from aca_ray.nn.edges import EdgeBuilder, FullEdge
from aca_ray.space import CellGenotype, Genotype, KeptEdge, Space, Topology, stage_cell_type

CANDIDATES = ("none", "max_pool_3x3", "avg_pool_3x3", "sep_conv_3x3", "dil_conv_3x3")
SKIPPING = ("none", "skip_connect", "noise", "sep_conv_3x3")


def cell(*edges: tuple[str, int, int]) -> CellGenotype:
    kept = tuple(KeptEdge(*edge) for edge in edges)
    return CellGenotype(kept, tuple(dict.fromkeys(edge.target for edge in kept)))


GENOTYPE = Genotype(
    normal=cell(("sep_conv_3x3", 0, 2), ("max_pool_3x3", 1, 2), ("dil_conv_3x3", 1, 3), ("avg_pool_3x3", 2, 3)),
    reduce=cell(("max_pool_3x3", 0, 2), ("dil_conv_3x3", 1, 2), ("sep_conv_3x3", 2, 3), ("avg_pool_3x3", 0, 3)),
)
SKIP_GENOTYPE = Genotype(
    normal=cell(("skip_connect", 0, 2), ("noise", 1, 2), ("sep_conv_3x3", 1, 3), ("skip_connect", 2, 3)),
    reduce=cell(("skip_connect", 0, 2), ("noise", 1, 2), ("skip_connect", 2, 3), ("sep_conv_3x3", 0, 3)),
)


@dataclass(frozen=True)
class Search:
    supernet: Supernet
    mixing: Mixing
    space: Space
    genotype: Genotype
    batches: list[tuple[Tensor, Tensor]]

    def rank(self, ranker: str, seed: int = 0) -> ChannelScores:
        return rank_channels(self.supernet, self.mixing, self.space, self.genotype, self.batches, ranker, seed)

    @property
    def images(self) -> Tensor:
        return torch.cat([images for images, _ in self.batches])

    @property
    def labels(self) -> Tensor:
        return torch.cat([labels for _, labels in self.batches])


def build_search(
    *,
    build_edge: EdgeBuilder = FullEdge,
    channels: int = 4,
    num_cells: int = 5,
    edge_weights: bool = False,
    candidates: tuple[str, ...] = CANDIDATES,
    genotype: Genotype = GENOTYPE,
) -> Search:
    torch.manual_seed(1)
    topology = Topology(num_inputs=2, num_nodes=2)
    edges = (candidates,) * len(topology.edges)
    space = Space("test", topology, normal=edges, reduce=edges)
    supernet = Supernet(space, channels=channels, num_cells=num_cells, num_classes=3, build_edge=build_edge).double()

    def weights() -> CellMixing:
        operations = torch.randn(len(edges), len(candidates), dtype=torch.float64).softmax(dim=1)
        return CellMixing(operations, torch.rand(len(edges), dtype=torch.float64) + 0.5 if edge_weights else None)

    mixing = Mixing(weights(), weights())
    with torch.no_grad():
        supernet.classifier.weight.mul_(10.0)  # losses that differ between images, as after training
        for module in supernet.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = 0.3
        for _ in range(12):  # running statistics of the images, without which few channels are alive
            supernet(torch.randn(16, 3, 8, 8, dtype=torch.float64), mixing)
    batches = [(torch.randn(size, 3, 8, 8, dtype=torch.float64), torch.arange(size) % 3) for size in (4, 3)]
    return Search(supernet, mixing, space, genotype, batches)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def search() -> Search:
    return build_search()


@pytest.fixture(scope="session")
def build() -> Callable[..., Search]:
    return build_search


@pytest.fixture(scope="session")
def skipping_search() -> Search:
    """A search whose kept edges are skip connections and noise."""
    return build_search(candidates=SKIPPING, genotype=SKIP_GENOTYPE)


@pytest.fixture(scope="session")
def hand_made() -> Callable[..., ChannelScores]:
    return hand_made_scores


def hand_made_scores(
    genotype: Genotype,
    scores: Callable[[int, int], tuple[float, ...]],
    stages: tuple[int, ...] = (0, 1, 2, 3, 4),
    strength: float = 0.5,
) -> ChannelScores:
    """Scores of a supernet with cells in the given stages; `scores` maps (cell, kept edge) to one score per channel."""
    return ChannelScores(
        "hand_made",
        tuple(
            EdgeScores(index, stage, edge_index, *edge, strength, scores(index, edge_index), None)
            for index, stage in enumerate(stages)
            for edge_index, edge in enumerate(genotype.cell(stage_cell_type(stage)).edges)
        ),
    )


@pytest.fixture(scope="session")
def genotype() -> Genotype:
    return GENOTYPE
