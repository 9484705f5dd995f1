from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from aca_ray.comparison import holm, paired, summarize


def test_summary_by_hand() -> None:
    # m = 2, s = 1, t_0.975,2 = 4.30265: half width 4.30265 / sqrt(3) = 2.48414.
    summary = summarize([1.0, 2.0, 3.0])
    assert (summary.n, summary.mean, summary.sd) == (3, 2.0, 1.0)
    assert summary.low == pytest.approx(2 - 2.48414, abs=1e-4)
    assert summary.high == pytest.approx(2 + 2.48414, abs=1e-4)
    assert (summary.minimum, summary.maximum) == (1.0, 3.0)


def test_summary_interval_is_that_of_the_one_sample_t_test() -> None:
    values = np.random.default_rng(0).normal(0.9, 0.02, 7)
    interval = stats.ttest_1samp(values, 0.0).confidence_interval(0.95)
    summary = summarize(list(values))
    assert (summary.low, summary.high) == pytest.approx((interval.low, interval.high), rel=1e-12)


def test_one_value_has_no_deviation_and_no_interval() -> None:
    summary = summarize([0.9])
    assert (summary.n, summary.mean, summary.sd, summary.low, summary.high) == (1, 0.9, None, None, None)
    assert not summary.is_constant


def test_equal_values_have_no_interval() -> None:
    summary = summarize([0.1 + 0.2, 0.3, 0.3])  # equal but for rounding
    assert (summary.sd, summary.low, summary.high) == (0.0, None, None)
    assert summary.is_constant


@pytest.mark.parametrize("values", [[], [math.nan], [0.9, math.inf]])
def test_no_values_or_not_finite_ones_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="needs at least one finite value"):
        summarize(values)


def test_paired_by_hand() -> None:
    # d = 1, 2, 3: t = 2 / (1 / sqrt(3)) = 3.4641 with 2 degrees of freedom. For v = 2 the distribution has the closed
    # form F(t) = 1/2 + t / (2 sqrt(2 + t^2)), so that p = 1 - t / sqrt(2 + t^2).
    difference = paired([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    t = 2 * math.sqrt(3)
    assert (difference.n, difference.mean, difference.sd) == (3, 2.0, 1.0)
    assert difference.t_pvalue == pytest.approx(1 - t / math.sqrt(2 + t * t), rel=1e-9)
    assert difference.low == pytest.approx(2 - 2.48414, abs=1e-4)
    assert difference.effect_size == pytest.approx(2.0)
    assert difference.superiority == 1.0
    # (4.30265 + 1.06066) / sqrt(3)
    assert difference.detectable == pytest.approx(3.09651, abs=1e-4)


def test_paired_agrees_with_scipy() -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(0.9, 0.02, 8), generator.normal(0.89, 0.02, 8)
    difference = paired(list(a), list(b))
    expected = stats.ttest_rel(a, b)
    interval = expected.confidence_interval(0.95)
    assert difference.t_pvalue == pytest.approx(expected.pvalue, rel=1e-9)
    assert (difference.low, difference.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert difference.wilcoxon_pvalue == pytest.approx(stats.wilcoxon(a, b, method="exact").pvalue, rel=1e-12)


def test_sign_change_mirrors_everything() -> None:
    a, b = [0.91, 0.92, 0.90, 0.95, 0.97, 0.93], [0.90, 0.90, 0.91, 0.91, 0.92, 0.90]
    forth, back = paired(a, b), paired(b, a)
    assert forth.mean == -back.mean
    assert forth.t_pvalue == pytest.approx(back.t_pvalue)
    assert forth.wilcoxon_pvalue == back.wilcoxon_pvalue
    assert forth.superiority == pytest.approx(1 - back.superiority)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_wilcoxon_needs_six_pairs(count: int) -> None:
    assert paired([0.01 * i for i in range(1, count + 1)], [0.0] * count).wilcoxon_pvalue is None


def test_wilcoxon_of_six_pairs_of_one_sign_is_two_of_64() -> None:
    assert paired([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0] * 6).wilcoxon_pvalue == pytest.approx(2 / 64)


def test_wilcoxon_drops_zeros_before_counting_pairs() -> None:
    assert paired([1.0, 2.0, 3.0, 4.0, 5.0, 0.0], [0.0] * 6).wilcoxon_pvalue is None


def test_wilcoxon_with_ties_equals_enumeration() -> None:
    # Multiples of 1/360, as from a test split of 360 images; 3/360 - 1/360 and 2/360 tie only but for rounding.
    a = [x / 360 for x in (303, 310, 305, 299, 320, 301, 308)]
    b = [x / 360 for x in (301, 308, 306, 301, 315, 300, 303)]
    ranks = stats.rankdata([2, 2, 1, 2, 5, 1, 5])
    observed = sum(ranks[i] for i in (0, 1, 4, 5, 6))
    sums = [
        sum(r for r, sign in zip(ranks, signs, strict=True) if sign) for signs in itertools.product((0, 1), repeat=7)
    ]
    below = sum(s <= observed for s in sums) / len(sums)
    above = sum(s >= observed for s in sums) / len(sums)
    assert paired(a, b).wilcoxon_pvalue == pytest.approx(min(1.0, 2 * min(below, above)))


def test_one_pair_gives_only_the_difference() -> None:
    difference = paired([0.9], [0.8])
    assert difference.mean == pytest.approx(0.1)
    assert {difference.sd, difference.low, difference.high, difference.t_pvalue, difference.wilcoxon_pvalue} == {None}
    assert {difference.effect_size, difference.detectable} == {None}


def test_equal_differences_give_no_test() -> None:
    difference = paired([0.9, 0.8, 0.7], [0.8, 0.7, 0.6])  # 0.1 each, but for rounding
    assert difference.is_constant
    assert (difference.t_pvalue, difference.low, difference.effect_size) == (None, None, None)


def test_equal_arms_are_a_tie() -> None:
    difference = paired([0.9] * 6, [0.9] * 6)
    assert (difference.mean, difference.superiority, difference.wilcoxon_pvalue) == (0.0, 0.5, None)


def test_unmatched_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="found 2 and 1"):
        paired([1.0, 2.0], [1.0])


def test_holm_by_hand() -> None:
    # Sorted 0.005, 0.01, 0.03, 0.04 times 4, 3, 2, 1: 0.02, 0.03, 0.06, 0.04 -> 0.06.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx((0.03, 0.06, 0.06, 0.02))
    assert holm([0.9, 0.8]) == (1.0, 1.0)
    assert holm([]) == ()
