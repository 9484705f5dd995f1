"""Ranking and allocation for cells with one input, whose edges may be absent."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from aca_ray.channels import RANKERS, RULES, Agreement, ChannelScores, agreement, allocate, rank_channels
from aca_ray.errors import ConfigError
from aca_ray.nn import CellMixing, DerivedNetwork, Mixing, Supernet, derived_cost
from aca_ray.space import PUBLISHED, SPACES, ChannelPlan, EdgePlan, Genotype, without_skip
from aca_ray.space.nasbench201 import parse_architecture_string

SPACE = without_skip(SPACES["nasbench201"])
GENOTYPE = parse_architecture_string("|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|nor_conv_1x1~0|none~1|nor_conv_3x3~2|")
NOTHING = parse_architecture_string("|none~0|+|none~0|none~1|+|none~0|none~1|none~2|")


@pytest.fixture(scope="module")
def supernet() -> Supernet:
    torch.manual_seed(0)
    return Supernet(SPACE, channels=4, num_cells=5, num_classes=3)


def rank(supernet: Supernet, ranker: str, genotype: Genotype = GENOTYPE) -> ChannelScores:
    generator = torch.Generator().manual_seed(0)
    mixing = Mixing(CellMixing(torch.rand(6, 4, generator=generator).softmax(dim=1)), CellMixing(torch.zeros(0, 0)))
    batches = [(torch.randn(8, 3, 8, 8, generator=generator), torch.arange(8) % 3)]
    return rank_channels(supernet, mixing, SPACE, genotype, batches, ranker, seed=0)


@pytest.mark.parametrize("ranker", RANKERS)
def test_every_rule_plans_the_stages_of_normal_cells(supernet: Supernet, ranker: str) -> None:
    scores = rank(supernet, ranker)
    assert [(e.cell, e.stage, e.operation, e.source, e.target, len(e.scores)) for e in scores.edges] == [
        (cell, cell, *edge, width) for cell, width in ((0, 4), (2, 8), (4, 16)) for edge in GENOTYPE.normal.edges
    ]
    for rule in RULES:
        plan = allocate(scores, GENOTYPE, rule, seed=0)
        assert [len(stage) for stage in plan.stages] == [4, 0, 4, 0, 4]
        assert ChannelPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan
        network = DerivedNetwork(GENOTYPE, plan, channels=3, num_cells=5, num_classes=3)
        logits = network(torch.randn(4, 3, 8, 8))
        assert torch.isfinite(logits).all()
        logits.sum().backward()


def test_filter_norms_are_those_of_the_operations_own_convolution(supernet: Supernet) -> None:
    for edge in rank(supernet, "l1").edges:
        if edge.operation.startswith("nor_conv"):
            index = SPACE.topology.edges.index((edge.source, edge.target))
            name = f"cells.{edge.cell}.edges.{index}.candidates.operations.{edge.operation}.1.weight"
            filters = supernet.state_dict()[name]
            assert edge.scores == pytest.approx([float(own.abs().sum()) for own in filters], rel=1e-5)


def test_refilled_channels_of_a_cell_are_its_sources() -> None:
    # No channel is kept: every edge is a skip connection, so the network equals that of skips.
    edge = EdgePlan(0.0, (0, 1))
    plan = ChannelPlan("hand_made", "sign", ((edge,) * 4, (), (edge,) * 4, (), (edge,) * 4))
    skips = parse_architecture_string("|skip_connect~0|+|none~0|skip_connect~1|+|skip_connect~0|none~1|skip_connect~2|")
    networks = []
    for genotype, own_plan in ((GENOTYPE, plan), (skips, None)):
        torch.manual_seed(0)
        networks.append(DerivedNetwork(genotype, own_plan, channels=4, num_cells=5, num_classes=3).eval())
    images = torch.randn(2, 3, 8, 8)
    assert torch.equal(networks[0](images), networks[1](images))


def test_half_a_plan_costs_what_it_keeps() -> None:
    size = {"channels": 4, "num_cells": 5, "num_classes": 3, "in_channels": 3, "height": 8, "width": 8}
    half, plain = EdgePlan(0.5, (0, 1, 2, 3)), EdgePlan(1.0, (0, 1, 2, 3))
    kept = (half, plain, plain, plain)  # the 3x3 convolution into node 1
    plan = ChannelPlan("hand_made", "sign", (kept, (), (plain,) * 4, (), (plain,) * 4))
    saved = (9 * 16 + 8) - (9 * 4 + 4)
    with_plan, without = derived_cost(GENOTYPE, plan, **size), derived_cost(GENOTYPE, None, **size)
    assert without.parameters - with_plan.parameters == saved
    assert without.macs - with_plan.macs == 64 * (9 * 16 - 9 * 4)


@pytest.mark.parametrize("ranker", ["taylor_identity", "random"])
def test_a_cell_without_edges_has_an_empty_plan(supernet: Supernet, ranker: str, tmp_path: Path) -> None:
    scores = rank(supernet, ranker, NOTHING)
    assert scores == ChannelScores(ranker, ())
    assert scores.decided_share is None
    scores.write_parquet(tmp_path / "scores.parquet")
    assert ChannelScores.read_parquet(tmp_path / "scores.parquet") == scores
    for rule in RULES:
        plan = allocate(scores, NOTHING, rule, seed=0)
        assert plan == ChannelPlan(ranker, rule, ((),) * 5)
        assert plan.refilled_share == 0.0
        assert agreement(scores, scores, plan, plan) == Agreement(None, None)
        DerivedNetwork(NOTHING, plan, channels=3, num_cells=5, num_classes=3)(torch.randn(4, 3, 8, 8)).sum().backward()


def test_genotypes_of_two_input_cells_are_refused(supernet: Supernet) -> None:
    with pytest.raises(ConfigError, match=r"genotype: .*nasbench201_without_skip .*\b1 inputs, found 2"):
        rank(supernet, "random", PUBLISHED["DARTS_V1"])


@pytest.mark.parametrize("ranker", RANKERS)
def test_an_edge_to_a_node_that_nothing_reads_is_ranked(ranker: str) -> None:
    deleted = [edge[0] == 1 for edge in SPACE.topology.edges]
    space = replace(SPACE, normal=tuple(("none",) if gone else SPACE.normal[0] for gone in deleted))
    torch.manual_seed(0)
    supernet = Supernet(space, channels=4, num_cells=5, num_classes=3)
    genotype = parse_architecture_string("|nor_conv_3x3~0|+|avg_pool_3x3~0|none~1|+|nor_conv_1x1~0|none~1|none~2|")
    mixing = Mixing(CellMixing(torch.full((6, 4), 0.25)), CellMixing(torch.zeros(0, 0)))
    batches = [(torch.randn(8, 3, 8, 8), torch.arange(8) % 3)]
    scores = rank_channels(supernet, mixing, space, genotype, batches, ranker, seed=0)
    unread = [edge for edge in scores.edges if edge.target == 1]
    assert [(edge.cell, edge.operation) for edge in unread] == [(cell, "nor_conv_3x3") for cell in (0, 2, 4)]
    if RANKERS[ranker].needs_gradient:
        assert {score for edge in unread for score in edge.scores} == {0.0}
    assert any(score for edge in scores.edges if edge.target != 1 for score in edge.scores)
