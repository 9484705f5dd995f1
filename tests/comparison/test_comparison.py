from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from aca_ray.comparison import (
    FailedTrial,
    NetworkRow,
    Pair,
    SweepRows,
    compare,
    comparison_metrics,
    paired,
)
from aca_ray.comparison.groups import GroupComparison
from aca_ray.comparison.statistics import PairedDifference
from aca_ray.errors import ConfigError
from aca_ray.report.notes import notes_of
from aca_ray.report.panels.checklist import checklist_items

Build = Callable[..., NetworkRow]
MAIN = Pair("taylor_identity", "sign")
OTHER = Pair("fisher", "sign")
WHOLE = Pair("taylor_identity", "rounded")
SKIP_FREE = (None, "all")


def _rows(*rows: NetworkRow, **more: object) -> SweepRows:
    return replace(SweepRows(networks=rows), **more)


def _difference(group: GroupComparison, main: str = "allocated", baseline: str = "searched") -> PairedDifference:
    found = group.difference(main, baseline).difference
    assert found is not None
    return found


def test_difference_is_paired_by_seed_whatever_the_order(network_row: Build) -> None:
    searched, allocated = {0: 0.90, 1: 0.80, 2: 0.85}, {2: 0.88, 0: 0.91, 1: 0.84}
    rows = [network_row(value, seed=seed) for seed, value in searched.items()]
    rows += [network_row(value, MAIN, seed=seed) for seed, value in allocated.items()]
    (group,) = compare(_rows(*rows), [MAIN]).groups
    assert _difference(group) == paired([0.91, 0.84, 0.88], [0.90, 0.80, 0.85])
    assert (group.arms["searched"].parameters, group.arms["allocated"].parameters) == (100_000, 80_000)
    assert (group.arms["searched"].num_skips, group.arms["allocated"].refilled_share) == (4, pytest.approx(0.4))
    assert group.difference("allocated", "searched").holm_pvalue == _difference(group).t_pvalue  # a family of one


def test_retrainings_are_averaged_within_a_seed_first(network_row: Build) -> None:
    values = {0: [0.90, 0.92, 0.94], 1: [0.80], 2: [0.70, 0.74]}
    rows = [network_row(v, seed=s, retrain_seed=r) for s, vs in values.items() for r, v in enumerate(vs)]
    comparison = compare(_rows(*rows), [MAIN])
    (group,) = comparison.groups
    assert group.arms["searched"].test_accuracy.n == 3
    assert group.arms["searched"].num_networks == 6
    assert group.arms["searched"].test_accuracy.mean == pytest.approx((0.92 + 0.80 + 0.72) / 3)
    # within: 2 * 0.02^2 with 2 degrees of freedom, and 2 * 0.02^2 with 1
    assert group.arms["searched"].variance is not None
    assert group.arms["searched"].variance.within_sd == pytest.approx(math.sqrt((8e-4 + 8e-4) / 3))
    assert any("searched has between 1 and 3 retrainings" in note for note in notes_of(comparison))


def test_missing_seeds_are_left_out_of_the_difference_and_noted(network_row: Build) -> None:
    rows = [network_row(0.8 + 0.01 * seed, seed=seed) for seed in (0, 1, 2)]
    rows += [network_row(0.9 + 0.02 * seed, MAIN, seed=seed) for seed in (1, 2, 4)]
    comparison = compare(_rows(*rows), [MAIN])
    (group,) = comparison.groups
    assert _difference(group).n == 2
    assert _difference(group).mean == pytest.approx((0.92 - 0.81 + 0.94 - 0.82) / 2)
    (note,) = (note for note in notes_of(comparison) if "lacks" in note)
    assert "searched lacks seed 4 (n = 3 of 4)" in note
    assert "allocated lacks seed 0 (n = 3 of 4)" in note


def test_no_shared_seed_gives_no_difference(network_row: Build) -> None:
    (group,) = compare(_rows(network_row(0.8, seed=0), network_row(0.9, MAIN, seed=1)), [MAIN]).groups
    assert [each.difference for each in group.differences] == [None, None, None]


def test_single_seed_is_noted(network_row: Build) -> None:
    comparison = compare(_rows(network_row(0.8), network_row(0.9, MAIN)), [MAIN])
    (group,) = comparison.groups
    assert (_difference(group).mean, _difference(group).t_pvalue) == (pytest.approx(0.1), None)
    assert any("darts on digits" in note and "one seed" in note for note in notes_of(comparison))


def test_equal_values_are_noted(network_row: Build) -> None:
    rows = [network_row(value, rule, seed=seed) for seed in range(3) for value, rule in ((0.8, None), (0.9, MAIN))]
    comparison = compare(_rows(*rows), [MAIN])
    assert comparison.groups[0].difference("allocated", "searched").holm_pvalue is None
    assert any("all 3 seeds of searched" in note for note in notes_of(comparison))
    assert any("3 differences allocated - searched" in note and "equal" in note for note in notes_of(comparison))


def test_controls_are_those_of_the_main_pair(network_row: Build) -> None:
    rows = [
        network_row(value + 0.01 * seed * seed, rule, seed=seed, control=control)
        for seed in range(3)
        for value, rule, control in ((0.8, None, None), (0.9, MAIN, None), (0.85, MAIN, "uniform"), (0.6, OTHER, None))
    ]
    rows += [network_row(0.7 + 0.03 * seed, MAIN, seed=seed, control="random") for seed in range(3)]
    rows += [network_row(0.1, OTHER, seed=seed, control="shuffled") for seed in range(3)]
    comparison = compare(_rows(*rows), [MAIN, OTHER])
    (group,) = comparison.groups
    assert (comparison.main_pair, group.pair) == (MAIN, MAIN)
    assert [(control.pair, control.control) for control in group.controls] == [(MAIN, "random"), (MAIN, "uniform")]
    random, uniform = (control.difference for control in group.controls)
    assert random is not None
    assert random.t_pvalue == pytest.approx(paired([0.9, 0.91, 0.94], [0.7, 0.73, 0.76]).t_pvalue)
    assert uniform is not None
    assert uniform.mean == pytest.approx(0.05)


def test_three_arms_have_three_differences_each_a_family_over_groups(network_row: Build) -> None:
    accuracies = {
        "darts": {None: (0.80, 0.82, 0.81, 0.85), SKIP_FREE: (0.83, 0.84, 0.86, 0.85), MAIN: (0.82, 0.86, 0.88, 0.86)},
        "pc_darts": {None: (0.7, 0.72, 0.7, 0.74), SKIP_FREE: (0.7, 0.71, 0.72, 0.73), MAIN: (0.75, 0.8, 0.76, 0.79)},
    }
    rows = [
        network_row(value, rule, seed=seed, method=method)
        for method, arms in accuracies.items()
        for rule, values in arms.items()
        for seed, value in enumerate(values)
    ]
    groups = compare(_rows(*rows), [MAIN]).groups
    assert list(groups[0].arms) == ["searched", "skip-free", "allocated"]
    rules = {"searched": None, "skip-free": SKIP_FREE, "allocated": MAIN}
    assert [each.label for each in groups[0].differences] == [
        "skip-free - searched",
        "allocated - searched",
        "allocated - skip-free",
    ]
    for index, each in enumerate(groups[0].differences):
        raw = [
            stats.ttest_rel(arms[rules[each.main]], arms[rules[each.baseline]]).pvalue for arms in accuracies.values()
        ]
        low, high = sorted(raw)
        expected = [min(1.0, 2 * p) if p == low else max(2 * low, high) for p in raw]  # Holm's, for a family of two
        assert [group.differences[index].holm_pvalue for group in groups] == pytest.approx(expected)
        for group, arms in zip(groups, accuracies.values(), strict=True):
            gains = np.subtract(arms[rules[each.main]], arms[rules[each.baseline]])
            found = _difference(group, each.main, each.baseline)
            assert (found.n, found.mean) == (4, pytest.approx(gains.mean()))
            assert found.effect_size == pytest.approx(gains.mean() / gains.std(ddof=1))
            half = stats.t.ppf(0.975, 3) * gains.std(ddof=1) / 2
            assert (found.low, found.high) == pytest.approx((gains.mean() - half, gains.mean() + half))


def test_a_table_without_the_main_pair_uses_the_first_pair_that_it_has(network_row: Build) -> None:
    rows = [network_row(0.8, rule, seed=seed) for seed in range(2) for rule in (None, SKIP_FREE, MAIN, WHOLE)]
    rows += [
        network_row(0.9, rule, seed=seed, protocol="table nasbench201")
        for seed in range(2)
        for rule in (None, SKIP_FREE, WHOLE)
    ]
    looked_up, retrained = compare(_rows(*rows), [MAIN, WHOLE]).groups
    assert (looked_up.group.place.is_looked_up, looked_up.pair) == (True, WHOLE)
    assert (retrained.group.place.is_looked_up, retrained.pair) == (False, MAIN)
    assert looked_up.arms["allocated"].test_accuracy.mean == pytest.approx(0.9)  # never pooled with the retrained 0.8


def test_shared_retrainings_cost_nothing_and_are_noted(network_row: Build) -> None:
    rows = [network_row(0.8, seed=seed) for seed in range(2)]
    rows += [
        network_row(0.8, SKIP_FREE, seed=0, shared_with=rows[0].fingerprint),
        network_row(0.8, SKIP_FREE, seed=1),
    ]
    comparison = compare(_rows(*rows))
    searched, skip_free = comparison.costs
    assert (searched.arm.networks, searched.arm.retraining_seconds, searched.arm.num_shared) == ("searched", 30.0, 0)
    assert (skip_free.arm.networks, skip_free.arm.retraining_seconds, skip_free.arm.num_shared) == (
        "skip-free",
        15.0,
        1,
    )
    assert (searched.on_front, skip_free.on_front, skip_free.seconds) == (True, None, None)
    assert any("1 retraining" in note and "shared_with" in note for note in notes_of(comparison))


@pytest.mark.parametrize(
    "other", [{"protocol": "long"}, {"data": "cifar10"}, {"setting": '{"x":1}'}, {"space": "s1"}, {"epochs": 9}]
)
def test_different_rows_are_never_pooled(network_row: Build, other: dict[str, object]) -> None:
    rows = _rows(network_row(0.8, seed=0), network_row(0.9, seed=1, **other))
    comparison = compare(rows, [MAIN])
    assert [group.arms["searched"].test_accuracy.n for group in comparison.groups] == [1, 1]
    assert any("not pooled" in note and '{"x":1}' in note for note in notes_of(comparison)) == ("setting" in other)


def test_seeds_of_several_sweeps_are_pooled_and_shared_networks_count_once(network_row: Build) -> None:
    first, second = network_row(0.8, seed=0), network_row(0.9, seed=1, sweep="other")
    (group,) = compare([_rows(first), _rows(first, second)], [MAIN]).groups
    assert [seed.seed for seed in group.arms["searched"].seeds] == [0, 1]


def test_two_networks_of_one_place_are_refused(network_row: Build) -> None:
    rows = [_rows(network_row(0.8)), _rows(network_row(0.9, sweep="other"))]
    with pytest.raises(ConfigError, match=r"seed 0, retraining seed 0 .* found .* in sweep toy and .* in sweep other"):
        compare(rows, [MAIN])


def test_holm_spans_the_groups(network_row: Build) -> None:
    gains = {"darts": (0.10, 0.10, 0.10, 0.12), "pc_darts": (0.10, 0.10, 0.10, 0.20)}
    rows = [
        network_row(0.7 + gain, rule, seed=seed, method=method)
        for method in gains
        for seed in range(4)
        for rule, gain in ((None, 0.0), (MAIN, gains[method][seed]))
    ]
    first, second = compare(_rows(*rows), [MAIN]).groups
    small, large = _difference(first).t_pvalue, _difference(second).t_pvalue
    assert small is not None
    assert large is not None
    assert small < large
    adjusted = tuple(group.difference("allocated", "searched").holm_pvalue for group in (first, second))
    assert adjusted == pytest.approx((2 * small, max(2 * small, large)))


def test_failed_and_unfinished_trials_are_noted(network_row: Build) -> None:
    trial = {"method": "darts", "skip": "allocated", "seed": 3, "space": "s1", "epochs": 8, "ranking": None}
    rows = _rows(network_row(0.8), failed=(FailedTrial("search", trial, "TrialError: diverged"),), unfinished=2)
    notes = notes_of(compare(rows, [MAIN]))
    parts = ("search", "darts", "allocated", "s1", "epochs 8", "seed 3", "TrialError: diverged")
    assert any(all(part in note for part in parts) for note in notes)
    assert any("2 trials" in note and "unfinished" in note for note in notes)


def test_no_rows_give_an_empty_comparison() -> None:
    comparison = compare(SweepRows(), [MAIN])
    assert (comparison.groups, comparison.pairs, comparison.costs) == ((), (MAIN,), ())
    (note,) = notes_of(comparison)
    assert "empty" in note
    assert {item.answer for item in checklist_items(comparison)} == {"no", "for you to answer"}


def test_allocated_row_without_a_rule_is_refused(network_row: Build) -> None:
    with pytest.raises(ConfigError, match=r"sweep toy: .*ranking and allocation, found None and None"):
        compare(_rows(replace(network_row(0.8), skip="allocated")), [MAIN])


def test_metrics_name_place_network_and_difference(network_row: Build) -> None:
    arms = {None: (0.80, 0.82, 0.81), SKIP_FREE: (0.83, 0.84, 0.86), MAIN: (0.82, 0.86, 0.88)}
    rows = [
        network_row(value, rule, seed=seed, protocol=protocol)
        for protocol in ("tiny", "table nasbench201")
        for rule, values in arms.items()
        for seed, value in enumerate(values)
    ]
    rows += [network_row(0.8, MAIN, seed=seed, control="random") for seed in range(3)]
    metrics = comparison_metrics(compare(_rows(*rows), [MAIN]))
    assert metrics["comparison/darts/e8/darts/digits/tiny/skip-free"] == pytest.approx(np.mean(arms[SKIP_FREE]))
    prefix = "comparison/darts/e8/darts/digits/table nasbench201/skip-free - searched"
    gains = np.subtract(arms[SKIP_FREE], arms[None])
    half = stats.t.ppf(0.975, 2) * gains.std(ddof=1) / 3**0.5
    assert {name.rpartition("/")[2]: value for name, value in metrics.items() if name.startswith(prefix)} == {
        "n": 3.0,
        "mean": pytest.approx(gains.mean()),
        "low": pytest.approx(gains.mean() - half),
        "high": pytest.approx(gains.mean() + half),
        "p": pytest.approx(stats.ttest_1samp(gains, 0.0).pvalue),
        "p_holm": pytest.approx(2 * stats.ttest_1samp(gains, 0.0).pvalue),  # two equal groups are the family
        "effect_size": pytest.approx(gains.mean() / gains.std(ddof=1)),
    }
    advantage = metrics["pairs/darts/digits/tiny/sign of taylor_identity/advantage over random"]
    assert advantage == pytest.approx(np.mean(arms[MAIN]) - 0.8)


def test_metrics_of_two_settings_have_two_names(network_row: Build) -> None:
    rows = [network_row(value, setting=json.dumps({"resize": size})) for value, size in ((0.8, 8), (0.9, 16))]
    metrics = comparison_metrics(compare(_rows(*rows), [MAIN]))
    assert {name: value for name, value in metrics.items() if name.endswith("/searched")} == {
        "comparison/darts/e8/darts/digits/tiny/resize 8/searched": 0.8,
        "comparison/darts/e8/darts/digits/tiny/resize 16/searched": 0.9,
    }
