"""Plans: averaging over cells, missing stages, and the controls."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from aca_ray.channels import (
    CONTROLS,
    DEFAULT_ALLOCATION,
    DEFAULT_WHOLE_EDGES,
    RULES,
    SKIP_FREE,
    ChannelScores,
    PlanKind,
    allocate,
)
from aca_ray.errors import ConfigError
from aca_ray.space import ChannelPlan, EdgePlan, Genotype


def test_cells_of_a_stage_are_averaged(hand_made, genotype) -> None:
    by_cell = {0: (4.0, 3.0, -1.0, -2.0), 1: (-4.0, 3.0, 5.0, 4.0), 2: (4.0, 3.0, 2.0, 1.0)}
    scores = hand_made(genotype, lambda cell, edge: by_cell.get(cell, (1.0, 2.0)), stages=(0, 0, 0, 1, 2, 3, 4))
    plan = allocate(scores, genotype, "sign", seed=0)
    # Ranks of the channels: 0123, 3201, 0123; their sums 3, 4, 4, 7.
    assert [(edge.kept_fraction, edge.order) for edge in plan.stages[0]] == [((2 + 3 + 4) / 12, (0, 1, 2, 3))] * 4
    assert [(edge.kept_fraction, edge.order) for edge in plan.stages[1]] == [(1.0, (1, 0))] * 4


def test_edges_and_stages_are_planned_independently(hand_made, genotype) -> None:
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
def test_a_stage_without_cells_copies_the_nearest(hand_made, genotype, stages, sources) -> None:
    scores = hand_made(
        genotype, lambda cell, edge: tuple(float(c < stages[cell]) - 0.5 for c in range(8)), stages=stages
    )
    plan = allocate(scores, genotype, "sign", seed=0)
    assert [stage[0].kept_fraction * 8 for stage in plan.stages] == list(sources)


# Orders that `random` draws with seed 7: those of the first stage and of the last edge.
DRAWN = [(3, 1, 0, 2), (2, 1, 3, 0), (0, 2, 3, 1), (2, 3, 0, 1), (2, 0, 3, 1)]


def total(scores: ChannelScores, plan: ChannelPlan) -> float:
    """Number of channels that operations keep in the supernet."""
    return sum(len(e.scores) * plan.stages[e.stage][e.genotype_edge].kept_fraction for e in scores.edges)


def edges_of(plan: ChannelPlan) -> list[EdgePlan]:
    return [edge for stage in plan.stages for edge in stage]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("control", CONTROLS)
def test_controls_of_every_rule(search, rule, control) -> None:
    scores = search.rank("taylor_identity")
    reference = allocate(scores, search.genotype, rule, seed=0)
    plan = allocate(scores, search.genotype, rule, seed=0, control=control)
    assert (plan.ranking, plan.allocation) == ("taylor_identity", f"{rule}_{control}")
    own, its = edges_of(plan), edges_of(reference)
    if control == "uniform":
        assert total(scores, plan) == pytest.approx(total(scores, reference), rel=1e-12)
        assert {edge.kept_fraction for edge in own} == {own[0].kept_fraction}
        assert [edge.order for edge in own] == [edge.order for edge in its]
    elif control == "random":
        assert [edge.kept_fraction for edge in own] == [edge.kept_fraction for edge in its]
        assert sum(one.order != other.order for one, other in zip(own, its, strict=True)) > len(own) // 2
    else:
        for stage, expected in zip(plan.stages, reference.stages, strict=True):
            assert sorted(e.kept_fraction for e in stage) == sorted(e.kept_fraction for e in expected)
        assert [edge.order for edge in own] == [edge.order for edge in its]
    again, other = (allocate(scores, search.genotype, rule, seed, control) for seed in (0, 1))
    assert again == plan
    if control == "random":
        assert other != plan


def test_the_default_rule_leaves_room_for_controls(search) -> None:
    """The test above needs plans that keep some channels but not all."""
    scores = search.rank("taylor_identity")
    kept = total(scores, allocate(scores, search.genotype, DEFAULT_ALLOCATION, seed=0))
    assert 0 < kept < sum(len(edge.scores) for edge in scores.edges)


def test_random_orders_are_the_draws_of_the_seed(hand_made, genotype) -> None:
    """Draws by hand, edge after edge and stage after stage."""
    scores = hand_made(genotype, lambda cell, edge: (1.0, -2.0, 3.0, -4.0))
    plan = allocate(scores, genotype, "sign", seed=7, control="random")
    generator = random.Random(7)
    expected = []
    for _ in range(5 * 4):
        draws = [generator.random() for _ in range(4)]
        expected.append(tuple(sorted(range(4), key=lambda channel, draws=draws: draws[channel])))
    assert [edge.order for edge in edges_of(plan)] == expected
    assert {edge.kept_fraction for edge in edges_of(plan)} == {0.5}
    assert expected[:4] + expected[-1:] == DRAWN  # the first stage, and the last edge of the last


def test_shares_are_shuffled_the_same_way_in_all_stages_of_a_cell_type(hand_made, genotype) -> None:
    kept = [8, 6, 4, 2]
    scores = hand_made(genotype, lambda cell, edge: tuple(float(c < kept[edge] - cell % 2) - 0.5 for c in range(8)))
    dealt = set()
    for seed in range(20):
        plan = allocate(scores, genotype, "sign", seed=seed, control="shuffled")
        shares = [[round(8 * edge.kept_fraction) for edge in stage] for stage in plan.stages]
        assert shares[0] == shares[2] == shares[4]
        assert shares[1] == shares[3]
        assert (sorted(shares[0]), sorted(shares[1])) == ([2, 4, 6, 8], [1, 3, 5, 7])
        dealt.add((*shares[0], *shares[1]))
    assert len(dealt) > 15


@pytest.mark.parametrize("control", [None, "random", "shuffled"])
@pytest.mark.parametrize("rule", ["rounded", "all"])
def test_whole_edges_stay_whole(search, rule, control) -> None:
    assert PlanKind(rule, control).whole_edges
    scores = search.rank("taylor_identity")
    for seed in range(5):
        plan = allocate(scores, search.genotype, rule, seed=seed, control=control)
        assert {edge.kept_fraction for edge in edges_of(plan)} <= {0.0, 1.0}
        rounded = allocate(scores, search.genotype, rule, seed=0)
        for stage, expected in zip(plan.stages, rounded.stages, strict=True):
            assert sum(edge.kept_fraction for edge in stage) == sum(edge.kept_fraction for edge in expected)


def test_which_plans_have_whole_edges() -> None:
    kinds = [PlanKind(rule, control) for rule in RULES for control in (None, *CONTROLS)]
    whole = {(rule, control) for rule in ("rounded", "all") for control in (None, "random", "shuffled")}
    assert {(kind.rule, kind.control) for kind in kinds if kind.whole_edges} == whole


def test_names_of_plans() -> None:
    assert [PlanKind("sign").name, PlanKind("sign", "random").name] == ["sign", "sign_random"]
    names = [PlanKind(rule, control).name for rule in RULES for control in (None, *CONTROLS)]
    assert len(set(names)) == len(names)


def test_rounded_follows_the_majority_of_all_cells(hand_made, genotype) -> None:
    """Per edge: kept channels of the cells 0 to 4, of 4 each; cells 1 and 3 are reduction cells."""
    kept = [(4, 0, 1, 1, 1), (3, 1, 1, 3, 2), (0, 4, 4, 0, 1), (2, 4, 2, 1, 2)]
    scores = hand_made(genotype, lambda cell, edge: tuple(float(c < kept[edge][cell]) - 0.5 for c in range(4)))
    plan = allocate(scores, genotype, "rounded", seed=0)
    shares = [[edge.kept_fraction for edge in stage] for stage in plan.stages]
    # Normal cells keep 6, 6, 5 and 6 of 12 channels, reduction cells 1, 4, 4 and 5 of 8: half is enough to stay.
    assert shares == [[1, 1, 0, 1], [0, 1, 1, 1]] * 2 + [[1, 1, 0, 1]]
    assert plan.allocation == "rounded"


def test_rounded_counts_channels_and_not_cells(hand_made, genotype) -> None:
    """A wide cell outvotes two narrow ones."""
    widths = (2, 2, 2, 2, 8)
    scores = hand_made(genotype, lambda cell, edge: (1.0 if widths[cell] == 8 else -1.0,) * widths[cell])
    plan = allocate(scores, genotype, "rounded", seed=0)
    assert [stage[0].kept_fraction for stage in plan.stages] == [1, 0, 1, 0, 1]


@pytest.mark.parametrize("channels", [1, 3])
def test_rounded_is_sign_if_all_scores_of_an_edge_have_one_sign(hand_made, genotype, channels) -> None:
    scores = hand_made(genotype, lambda cell, edge: ((-1.0) ** edge,) * channels)
    plans = [allocate(scores, genotype, rule, seed=0) for rule in ("sign", "rounded")]
    assert plans[0].stages == plans[1].stages


def test_the_defaults_are_rules() -> None:
    assert {DEFAULT_ALLOCATION, DEFAULT_WHOLE_EDGES, SKIP_FREE} <= set(RULES)
    assert RULES[DEFAULT_WHOLE_EDGES].whole_edges
    assert not set(RULES) & set(CONTROLS)


def test_errors_name_the_problem(hand_made, genotype) -> None:
    scores = hand_made(genotype, lambda cell, edge: (1.0, 2.0))
    with pytest.raises(ConfigError, match=r"'partisipation'.*Did you mean participation"):
        allocate(scores, genotype, "partisipation", seed=0)
    with pytest.raises(ConfigError, match=r"'randm'.*Did you mean random"):
        allocate(scores, genotype, "sign", seed=0, control="randm")
    with pytest.raises(ConfigError, match=r"rule 'uniform'"):
        allocate(scores, genotype, "uniform", seed=0)
    with pytest.raises(ConfigError, match=r"cell 0, edge 0-2 \(sep_conv_3x3\): .*edge 0 .*normal cell"):
        allocate(scores, Genotype(genotype.reduce, genotype.reduce), "sign", seed=0)
    with pytest.raises(ConfigError, match=r"^allocation: .*reduce cell"):
        allocate(hand_made(genotype, lambda cell, edge: (1.0,), stages=(0, 2)), genotype, "sign", seed=0)
    with pytest.raises(ConfigError, match=r"cell 1, edge 0-2 .*\b1 scores, found 2"):
        allocate(
            hand_made(genotype, lambda cell, edge: (1.0,) * (cell + 1), stages=(0, 0, 1, 3)), genotype, "sign", seed=0
        )
    cut = ChannelScores("hand_made", tuple(edge for edge in scores.edges if edge.stage % 2 or edge.genotype_edge))
    with pytest.raises(ConfigError, match=r"^allocation: .*normal cell"):
        allocate(cut, genotype, "sign", seed=0)


def test_strength_reaches_the_rule(hand_made, genotype) -> None:
    scores = hand_made(genotype, lambda cell, edge: (1.0, 2.0, 3.0, 4.0), strength=0.25)
    stronger = ChannelScores("hand_made", tuple(replace(edge, strength=0.75) for edge in scores.edges))
    assert allocate(scores, genotype, "strength", seed=0).refilled_share == pytest.approx(0.75)
    assert allocate(stronger, genotype, "strength", seed=0).refilled_share == pytest.approx(0.25)
