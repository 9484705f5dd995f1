"""Plans: averaging over cells, missing stages, and the controls."""

from __future__ import annotations

from dataclasses import replace

import pytest

from aca_ray.channels import CONTROL_RULES, DEFAULT_ALLOCATION, RULES, ChannelScores, allocate
from aca_ray.errors import ConfigError
from aca_ray.space import Genotype


def test_cells_of_a_stage_are_averaged(hand_made, genotype) -> None:
    by_cell = {0: (4.0, 3.0, -1.0, -2.0), 1: (-4.0, 3.0, 5.0, 4.0), 2: (4.0, 3.0, 2.0, 1.0)}
    scores = hand_made(genotype, lambda cell, edge: by_cell.get(cell, (1.0, 2.0)), stages=(0, 0, 0, 1, 2, 3, 4))
    plan = allocate(scores, genotype, "sign", seed=0)
    # Ranks of the channels: 0123, 3201, 0123; their sums 3, 4, 4, 7.
    assert [(edge.kept_fraction, edge.order) for edge in plan.stages[0]] == [((2 + 3 + 4) / 12, (0, 1, 2, 3))] * 4
    assert [(edge.kept_fraction, edge.order) for edge in plan.stages[1]] == [(1.0, (1, 0))] * 4


def test_edges_and_stages_are_planned_by_themselves(hand_made, genotype) -> None:
    scores = hand_made(genotype, lambda cell, edge: tuple(float(c < cell + edge) - 0.5 for c in range(8)))
    plan = allocate(scores, genotype, "sign", seed=0)
    assert [[edge.kept_fraction * 8 for edge in stage] for stage in plan.stages] == [
        [stage + edge for edge in range(4)] for stage in range(5)
    ]
    assert (plan.ranking, plan.allocation) == ("hand_made", "sign")


def test_equal_scores_are_ordered_by_channel(hand_made, genotype) -> None:
    plan = allocate(hand_made(genotype, lambda cell, edge: (1.0, 2.0, 1.0, 2.0)), genotype, "otsu", seed=0)
    assert {edge.order for stage in plan.stages for edge in stage} == {(1, 3, 0, 2)}
    assert {edge.kept_fraction for stage in plan.stages for edge in stage} == {0.5}


@pytest.mark.parametrize(
    ("stages", "sources"),
    [((0, 1, 3), (0, 1, 0, 3, 0)), ((0, 1, 3, 4), (0, 1, 0, 3, 4)), ((2, 3, 4), (2, 3, 2, 3, 4))],
)
def test_a_stage_without_cells_takes_over_the_nearest(hand_made, genotype, stages, sources) -> None:
    scores = hand_made(
        genotype, lambda cell, edge: tuple(float(c < stages[cell]) - 0.5 for c in range(8)), stages=stages
    )
    plan = allocate(scores, genotype, "sign", seed=0)
    assert [stage[0].kept_fraction * 8 for stage in plan.stages] == list(sources)


@pytest.mark.parametrize("control", ["uniform", "random"])
def test_controls_keep_as_many_channels_as_the_default(search, control) -> None:
    scores = search.rank("taylor_identity")
    reference = allocate(scores, search.genotype, DEFAULT_ALLOCATION, seed=0)
    plan = allocate(scores, search.genotype, control, seed=0)

    def total(plan) -> float:
        return sum(len(e.scores) * plan.stages[e.stage][e.genotype_edge].kept_fraction for e in scores.edges)

    assert 0 < total(reference) < sum(len(edge.scores) for edge in scores.edges)
    assert total(plan) == pytest.approx(total(reference), rel=1e-12)
    for stage, expected in zip(plan.stages, reference.stages, strict=True):
        for edge, other in zip(stage, expected, strict=True):
            if control == "uniform":
                assert edge.kept_fraction == plan.stages[0][0].kept_fraction
                assert edge.order == other.order
            else:
                assert edge.kept_fraction == other.kept_fraction
    assert plan == allocate(scores, search.genotype, control, seed=0)
    assert (plan == allocate(scores, search.genotype, control, seed=1)) == (control == "uniform")


def test_random_order_is_not_the_ranking(search) -> None:
    scores = search.rank("taylor_identity")
    orders = [
        [edge.order for stage in allocate(scores, search.genotype, rule, seed=0).stages for edge in stage]
        for rule in ("sign", "random")
    ]
    assert sum(one != other for one, other in zip(*orders, strict=True)) > len(orders[0]) // 2


def test_controls_are_rules_and_the_default_is_none_of_them() -> None:
    assert set(RULES) > CONTROL_RULES
    assert DEFAULT_ALLOCATION in set(RULES) - CONTROL_RULES


def test_names_what_is_wrong(hand_made, genotype) -> None:
    scores = hand_made(genotype, lambda cell, edge: (1.0, 2.0))
    with pytest.raises(ConfigError, match=r"unknown rule 'partisipation'.*Did you mean participation"):
        allocate(scores, genotype, "partisipation", seed=0)
    with pytest.raises(ConfigError, match=r"cell 0, edge 0-2 .* is not edge 0 of the genotype's normal cell"):
        allocate(scores, Genotype(genotype.reduce, genotype.reduce), "sign", seed=0)
    with pytest.raises(ConfigError, match="no reduce cell has scores"):
        allocate(hand_made(genotype, lambda cell, edge: (1.0,), stages=(0, 2)), genotype, "sign", seed=0)
    with pytest.raises(ConfigError, match="all cells of a stage need 1 scores, found 2"):
        allocate(
            hand_made(genotype, lambda cell, edge: (1.0,) * (cell + 1), stages=(0, 0, 1, 3)), genotype, "sign", seed=0
        )
    cut = ChannelScores("hand_made", tuple(edge for edge in scores.edges if edge.stage % 2 or edge.genotype_edge))
    with pytest.raises(ConfigError, match="no normal cell has scores for every kept edge"):
        allocate(cut, genotype, "sign", seed=0)


def test_strength_reaches_the_rule(hand_made, genotype) -> None:
    scores = hand_made(genotype, lambda cell, edge: (1.0, 2.0, 3.0, 4.0), strength=0.25)
    stronger = ChannelScores("hand_made", tuple(replace(edge, strength=0.75) for edge in scores.edges))
    assert allocate(scores, genotype, "strength", seed=0).refilled_share == pytest.approx(0.75)
    assert allocate(stronger, genotype, "strength", seed=0).refilled_share == pytest.approx(0.25)
