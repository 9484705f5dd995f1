"""Which channels a plan keeps in networks of any width, checked against integration on a common grid."""

from __future__ import annotations

import copy
import json
import math
import random
from collections.abc import Callable
from typing import Any

import pytest

from aca_ray.errors import ConfigError
from aca_ray.space import PUBLISHED, ChannelPlan, EdgePlan, network_from_json, network_json


def kept_on_a_grid(plan: EdgePlan, width: int) -> tuple[int, ...]:
    """Return the same channels by cutting both channel axes into lcm(C, width) equal pieces and adding up ranks."""
    num_ranked = len(plan.order)
    pieces = math.lcm(num_ranked, width)
    total_rank = [0] * width
    for piece in range(pieces):
        total_rank[piece * width // pieces] += plan.order.index(piece * num_ranked // pieces)
    best = sorted((rank, channel) for channel, rank in enumerate(total_rank))
    return tuple(sorted(channel for _, channel in best[: round(plan.kept_fraction * width)]))


@pytest.mark.parametrize("width", [1, 2, 3, 5, 6, 7, 8, 12, 18, 36])
@pytest.mark.parametrize("num_ranked", [1, 2, 3, 6, 8, 16])
def test_kept_channels_of_any_width(num_ranked: int, width: int) -> None:
    generator = random.Random(100 * num_ranked + width)
    for _ in range(5):
        plan = EdgePlan(generator.random(), tuple(generator.sample(range(num_ranked), num_ranked)))
        kept = plan.kept_channels(width)
        assert kept == kept_on_a_grid(plan, width)
        assert len(kept) == len(set(kept)) == plan.num_kept(width)
        assert list(kept) == sorted(kept)
        assert set(kept) <= set(range(width))


@pytest.mark.parametrize("multiple", [1, 2, 3, 9])
def test_a_multiple_keeps_exactly_the_intervals_of_the_top_channels(multiple: int) -> None:
    order = (3, 0, 5, 1, 4, 2)
    for num_top in range(7):
        plan = EdgePlan(num_top / 6, order)
        expected = sorted(c * multiple + offset for c in order[:num_top] for offset in range(multiple))
        assert list(plan.kept_channels(6 * multiple)) == expected


def test_a_partly_kept_interval_keeps_its_first_channels() -> None:
    # Channel 1 is best and owns 4..7, channel 0 is next and owns 0..3, of which three more are kept.
    assert EdgePlan(7 / 12, (1, 0, 2)).kept_channels(12) == (0, 1, 2, 4, 5, 6, 7)


def test_a_narrower_network_averages_ranks() -> None:
    # Ranks by channel are 5 0 1 4 2 3: pairs have mean ranks 2.5, 2.5, 2.5 (a tie), triples 2 and 3.
    order = (1, 2, 4, 5, 3, 0)
    assert EdgePlan(1 / 3, order).kept_channels(3) == (0,)
    assert EdgePlan(2 / 3, order).kept_channels(3) == (0, 1)
    assert EdgePlan(0.5, order).kept_channels(2) == (0,)
    # Mirrored, the triples are 3 and 2.
    assert EdgePlan(0.5, tuple(5 - c for c in order)).kept_channels(2) == (1,)


def test_all_and_none_are_kept_whatever_the_width() -> None:
    for width in range(1, 20):
        assert EdgePlan(1.0, (2, 0, 1)).kept_channels(width) == tuple(range(width))
        assert EdgePlan(0.0, (2, 0, 1)).kept_channels(width) == ()


def test_counts_are_rounded_half_to_even() -> None:
    plan = EdgePlan(0.5, (0, 1))
    assert [plan.num_kept(width) for width in (1, 2, 3, 4, 5, 6, 7)] == [0, 1, 2, 2, 2, 3, 4]


@pytest.mark.parametrize("fraction", [-0.01, 1.01, math.nan, math.inf])
def test_fractions_outside_the_unit_interval_are_refused(fraction: float) -> None:
    with pytest.raises(ConfigError, match=r"kept_fraction must be in \[0, 1\]"):
        EdgePlan(fraction, (0,))


@pytest.mark.parametrize("order", [(), (1,), (0, 0), (0, 2), (-1, 0), (0, 1, 1)])
def test_orders_that_are_not_permutations_are_refused(order: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="permutation"):
        EdgePlan(0.5, order)


@pytest.fixture
def plan() -> ChannelPlan:
    generator = random.Random(0)
    edges = [EdgePlan(generator.random(), tuple(generator.sample(range(4), 4))) for _ in range(40)]
    return ChannelPlan("taylor", "sign", tuple(tuple(edges[8 * stage : 8 * stage + 8]) for stage in range(5)))


def test_json_round_trip(plan: ChannelPlan) -> None:
    assert ChannelPlan.from_json(json.loads(json.dumps(plan.to_json()))) == plan


def test_json_form() -> None:
    value = ChannelPlan("taylor", "sign", ((EdgePlan(0.25, (1, 0)),), (), (), (), ())).to_json()
    assert value == {
        "schema": "aca_ray.channel_plan",
        "version": 1,
        "ranking": "taylor",
        "allocation": "sign",
        "stages": [[{"kept_fraction": 0.25, "order": [1, 0]}], [], [], [], []],
    }


def test_refilled_share_is_the_mean_over_edges() -> None:
    quarter, half = EdgePlan(0.25, (0,)), EdgePlan(0.5, (0,))
    plan = ChannelPlan("taylor", "sign", ((quarter,), (half,), (half,), (half,), (quarter, half)))
    assert plan.refilled_share == pytest.approx((0.75 + 0.5 * 3 + 0.75 + 0.5) / 6)


def test_refilled_share_without_edges_is_zero() -> None:
    assert ChannelPlan("taylor", "sign", ((),) * 5).refilled_share == 0.0


@pytest.mark.parametrize("num_stages", [0, 4, 6])
def test_other_numbers_of_stages_are_refused(num_stages: int) -> None:
    with pytest.raises(ConfigError, match=f"needs 5 stages, found {num_stages}"):
        ChannelPlan("taylor", "sign", ((EdgePlan(0.5, (0,)),),) * num_stages)


def test_plans_fit_genotypes_with_the_same_number_of_edges(plan: ChannelPlan) -> None:
    plan.check_fits(PUBLISHED["DARTS_V1"])
    with pytest.raises(ConfigError, match=r"stage 0 .*8 edges.* 4"):
        plan.check_fits(PUBLISHED["FAIR_DARTS_A"])
    short = ChannelPlan("taylor", "sign", (*plan.stages[:3], plan.stages[3][:7], plan.stages[4]))
    with pytest.raises(ConfigError, match=r"stage 3 .*7 edges.* 8"):
        short.check_fits(PUBLISHED["DARTS_V1"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda v: v.update(schema="aca_ray.genotype"), "found 'aca_ray.genotype' version 1"),
        (lambda v: v.update(version="1"), "found 'aca_ray.channel_plan' version '1'"),
        (lambda v: v.pop("schema"), "found None"),
        (lambda v: v.pop("ranking"), "malformed JSON"),
        (lambda v: v.pop("allocation"), "malformed JSON"),
        (lambda v: v.pop("stages"), "malformed JSON"),
        (lambda v: v.update(stages=7), "malformed JSON"),
        (lambda v: v["stages"][2][1].pop("order"), "malformed JSON"),
        (lambda v: v["stages"][2][1].update(order=["a"]), "malformed JSON"),
        (lambda v: v["stages"][2][1].update(kept_fraction="much"), "malformed JSON"),
        (lambda v: v["stages"][2][1].update(kept_fraction=1.5), "kept_fraction must be"),
        (lambda v: v["stages"][2][1].update(order=[0, 0, 1, 2]), "permutation"),
        (lambda v: v["stages"].pop(), "needs 5 stages, found 4"),
    ],
)
def test_malformed_json_is_refused(plan: ChannelPlan, change: Callable[[dict[str, Any]], None], message: str) -> None:
    value = copy.deepcopy(plan.to_json())
    change(value)
    with pytest.raises(ConfigError, match=f"^channel plan: .*{message}"):
        ChannelPlan.from_json(value)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda v: v["stages"][2][1].update(kept_fraction=10**400), r"stages\[2\]\[1\]\.kept_fraction"),
        (lambda v: v["stages"][2][1].update(kept_fraction=True), r"stages\[2\]\[1\]\.kept_fraction"),
        (lambda v: v["stages"][2][1].update(order=[0, 1, 2.0, 3]), r"stages\[2\]\[1\]\.order"),
        (lambda v: v["stages"][2][1].update(order=list(range(10**5))), r"stages\[2\]\[1\]\.order"),
        (lambda v: v["stages"][2][1].update(order=[1, 0]), r"stage 2 .*\[2, 4\]"),
        (lambda v: v.update(stages=[[]] * 10**5), "needs 5 stages"),
        (lambda v: v["stages"].__setitem__(1, v["stages"][1] * 1000), "stages must be"),
        (lambda v: v.update(ranking="x" * 1000), "ranking must be"),
        (lambda v: v.update(allocation=None), "allocation must be"),
    ],
)
def test_absurd_values_are_refused_with_a_short_message(
    plan: ChannelPlan, change: Callable[[dict[str, Any]], None], place: str
) -> None:
    change(value := copy.deepcopy(plan.to_json()))
    with pytest.raises(ConfigError, match=f"^channel plan: .*{place}") as caught:
        ChannelPlan.from_json(value)
    assert len(str(caught.value)) < 500


def test_a_network_needs_a_plan_that_fits(plan: ChannelPlan) -> None:
    value = network_json(PUBLISHED["DARTS_V1"], plan)
    assert network_from_json(value) == (PUBLISHED["DARTS_V1"], plan)
    assert network_from_json(PUBLISHED["DARTS_V1"].to_json()) == (PUBLISHED["DARTS_V1"], None)
    with pytest.raises(ConfigError, match=r"stage 0 .*8 edges.* 4"):
        network_from_json({**value, "genotype": PUBLISHED["FAIR_DARTS_A"].to_json()})
    with pytest.raises(ConfigError, match=r"^network: .*version 2"):
        network_from_json({**value, "version": 2})


def test_all_published_genotypes_are_read_back() -> None:
    for genotype in PUBLISHED.values():
        assert network_from_json(json.loads(json.dumps(network_json(genotype, None)))) == (genotype, None)
