"""Small networks of every kind, with weights that make the logits depend on the images."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch

from aca_ray.data import ImageFacts
from aca_ray.exports import ExportedNetwork
from aca_ray.retraining import find_protocol
from aca_ray.space import CELL_TYPES, PUBLISHED, CellGenotype, ChannelPlan, EdgePlan, Genotype, KeptEdge, find_space
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.space.topology import stage_cell_type

torch.set_num_threads(1)

# One has a node without incoming edges, the other a node without outgoing edges.
ARCHITECTURES = (
    "|nor_conv_3x3~0|+|none~0|none~1|+|avg_pool_3x3~0|nor_conv_1x1~1|skip_connect~2|",
    "|nor_conv_3x3~0|+|skip_connect~0|nor_conv_3x3~1|+|nor_conv_1x1~0|none~1|none~2|",
)


def mixed_plan(genotype: Genotype, channels: int = 8) -> ChannelPlan:
    """Return a plan in which every edge of every stage keeps another share: nothing, everything, and in between."""
    draw = random.Random(0)
    shares = (0.0, 0.3, 0.5, 0.7, 1.0)
    return ChannelPlan(
        "drawn",
        "drawn",
        tuple(
            tuple(
                EdgePlan(shares[(stage + index) % 5], tuple(draw.sample(range(channels), channels)))
                for index in range(len(genotype.cell(stage_cell_type(stage)).edges))
            )
            for stage in range(5)
        ),
    )


def of_space(name: str, wanted: str) -> Genotype:
    """Return a genotype of a space of DARTS cells, on the edges from both inputs.

    Edges have the wanted operation if the space offers it, else the last candidate.
    """
    space = find_space(name)
    cells = []
    for cell_type in CELL_TYPES:
        candidates = dict(zip(space.topology.edges, space.candidates(cell_type), strict=True))
        edges = [edge for edge in space.topology.edges if edge.source < 2]
        cells.append(
            CellGenotype(
                tuple(
                    KeptEdge(wanted if wanted in candidates[edge] else candidates[edge][-1], *edge) for edge in edges
                ),
                (2, 3, 4, 5),
            )
        )
    return Genotype(*cells)


def network(
    genotype: Genotype,
    plan: ChannelPlan | None = None,
    *,
    channels: int = 4,
    num_cells: int = 5,
    protocol: str = "small",
    image_channels: int = 3,
    side: int = 16,
) -> ExportedNetwork:
    """Return a network as if it were trained: its batch norms have seen images."""
    facts = ImageFacts("made", 10, (), image_channels, side, side, (0.4,) * image_channels, (0.2,) * image_channels)
    size = replace(find_protocol(protocol), channels=channels, num_cells=num_cells)
    untrained = ExportedNetwork("made", "Made for a test", genotype, plan, size, facts)
    module = untrained.build().train()
    for seed in range(20):
        module(untrained.random_images(8, seed))
    return replace(untrained, weights=module.state_dict(), test_accuracy=0.5)


@pytest.fixture(scope="session")
def networks() -> dict[str, ExportedNetwork]:
    """Return networks of every kind, by name."""
    torch.manual_seed(0)
    darts, odd = PUBLISHED["DARTS_V2"], PUBLISHED["FAIR_DARTS_A"]
    return {
        "plain": network(darts, num_cells=3),
        "plan": network(darts, mixed_plan(darts), channels=5, num_cells=3),
        "nasbench201": network(parse_architecture_string(ARCHITECTURES[0])),
        "nasbench201_dead_end": network(parse_architecture_string(ARCHITECTURES[1])),
        "pc_darts": network(PUBLISHED["PC_DARTS_CIFAR"], mixed_plan(PUBLISHED["PC_DARTS_CIFAR"]), num_cells=8, side=32),
        "s1": network(of_space("s1", "skip_connect"), image_channels=1),
        "s4": network(of_space("s4", "noise"), num_cells=3),
        "node_left_out": network(odd, mixed_plan(odd, 4), side=8),
        "imagenet": network(PUBLISHED["PC_DARTS_IMAGENET"], protocol="imagenet_mobile", num_cells=3, side=64),
    }
