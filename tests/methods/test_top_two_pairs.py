"""The derivation that may keep two operations of one edge, and the use of its genotypes."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import torch

from aca_ray.channels import RULES, agreement, allocate, rank_channels
from aca_ray.methods.parts.derivation import top_two_pairs
from aca_ray.nn import CellMixing, DerivedNetwork, Mixing, Supernet
from aca_ray.nn.edges import SampledEdgeWithScalars
from aca_ray.report.cells import cell_svg
from aca_ray.space import SPACES, Genotype, KeptEdge, Space, Topology

NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=2), normal=(NAMES,) * 5, reduce=(NAMES,) * 5)
EVEN = [[0.25] * 4] * 5
TWO_ON_ONE_EDGE = [
    [0.0, 0.1, 0.4, 0.5],  # 0 to 2: its best two beat those of 1 to 2
    [0.1, 0.3, 0.3, 0.3],
    [0.9, 0.0, 0.1, 0.0],  # 0 to 3: none dominates
    [0.1, 0.2, 0.6, 0.1],
    [0.3, 0.3, 0.3, 0.1],
]


def derive(normal: list[list[float]]) -> Genotype:
    return top_two_pairs(Mixing(CellMixing(torch.tensor(normal)), CellMixing(torch.tensor(EVEN))), SPACE)


def test_hand_written_weights() -> None:
    genotype = derive(TWO_ON_ONE_EDGE)
    assert genotype.normal.edges == (
        ("sep_conv_3x3", 0, 2),
        ("skip_connect", 0, 2),
        ("skip_connect", 1, 3),
        ("max_pool_3x3", 2, 3),
    )
    # Ties go to the smaller source, and there to the earlier candidate.
    assert genotype.reduce.edges == tuple(
        KeptEdge(name, 0, node) for node in (2, 3) for name in ("max_pool_3x3", "skip_connect")
    )


@pytest.mark.parametrize("name", [name for name in SPACES if name != "nasbench201"])
def test_against_all_pairs(name: str) -> None:
    space = SPACES[name]
    shape = (14, max(len(names) for names in space.normal))
    mixing = Mixing(*(CellMixing(torch.rand(shape).softmax(dim=1)) for _ in range(2)))
    genotype = top_two_pairs(mixing, space)
    for cell_type in space.cell_types:
        for node in space.topology.intermediate_nodes:
            choices = {
                KeptEdge(operation, *space.topology.edges[index]): float(
                    mixing.cell(cell_type).operations[index, column]
                )
                for index in space.topology.incoming(node)
                for column, operation in enumerate(space.candidates(cell_type)[index])
                if operation != "none"
            }
            best = max(itertools.combinations(choices, 2), key=lambda pair: choices[pair[0]] + choices[pair[1]])
            kept = [edge for edge in genotype.cell(cell_type).edges if edge.target == node]
            assert set(kept) == set(best)
            assert choices[kept[0]] >= choices[kept[1]]


def test_two_operations_of_one_edge_are_ranked_allocated_built_and_drawn(tmp_path: Path) -> None:
    genotype = derive(TWO_ON_ONE_EDGE)
    assert Genotype.from_json(genotype.to_json()) == genotype
    supernet = Supernet(SPACE, channels=4, num_cells=3, num_classes=3, build_edge=SampledEdgeWithScalars)
    mixing = Mixing(CellMixing(torch.tensor(TWO_ON_ONE_EDGE)), CellMixing(torch.tensor(EVEN)))
    batches = [(torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 0]))]
    scores = rank_channels(supernet, mixing, SPACE, genotype, batches, "taylor_identity", 0)
    first, second = scores.edges[:2]
    assert (first.operation, second.operation) == ("sep_conv_3x3", "skip_connect")
    assert (first.source, first.target) == (second.source, second.target)
    assert any(first.scores)
    assert not any(second.scores)  # replacing a skip by a skip changes nothing
    scores.write_parquet(tmp_path / "scores.parquet")
    assert scores.read_parquet(tmp_path / "scores.parquet") == scores
    for rule in RULES:
        plan = allocate(scores, genotype, rule, seed=0)
        network = DerivedNetwork(genotype, plan, channels=4, num_cells=3, num_classes=3)
        assert bool(network(batches[0][0]).isfinite().all())
        assert agreement(scores, scores, plan, plan).jaccard == 1.0
    texts = ElementTree.fromstring(cell_svg(genotype)).iter("{http://www.w3.org/2000/svg}text")
    places = [(text.get("x"), text.get("y")) for text in texts if text.text in NAMES]
    assert len(places) == 8  # of both cells
    assert len(set(places)) == 8


def test_a_doubled_edge_is_the_sum_of_its_operations() -> None:
    genotype = derive(TWO_ON_ONE_EDGE)
    network = DerivedNetwork(genotype, None, channels=4, num_cells=3, num_classes=3).eval()
    cell = network.cells[0]
    before, previous = torch.randn(2, 12, 8, 8), torch.randn(2, 12, 8, 8)
    zero, _ = cell.inputs(before, previous)
    expected = cell.edges[0](zero) + cell.edges[1](zero)
    assert torch.allclose(cell(before, previous)[:, :4], expected, atol=1e-6)
