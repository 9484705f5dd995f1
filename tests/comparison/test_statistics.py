from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from aca_ray.comparison import correlate, holm, paired, summarize, variance_components
from aca_ray.comparison.statistics import Correlation, mean_within


def test_summary_by_hand() -> None:
    # m = 2, s = 1, t_0.975,2 = 4.30265: half width 4.30265 / sqrt(3) = 2.48414.
    summary = summarize([1.0, 2.0, 3.0])
    assert (summary.n, summary.mean, summary.sd) == (3, 2.0, 1.0)
    assert summary.low == pytest.approx(2 - 2.48414, abs=1e-4)
    assert summary.high == pytest.approx(2 + 2.48414, abs=1e-4)


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
def test_missing_or_non_finite_values_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match=r"values: .*finite"):
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


@pytest.mark.parametrize(("n", "interval"), [(1, None), (2, "t"), (9, "t"), (10, "bootstrap"), (25, "bootstrap")])
def test_kind_of_interval_follows_the_number_of_values(n: int, interval: str | None) -> None:
    summary = summarize([0.9 + 0.001 * i * i for i in range(n)])
    assert summary.interval == interval
    assert (summary.low is None) == (interval is None)


def test_equal_values_have_no_kind_of_interval() -> None:
    assert summarize([0.9] * 12).interval is None


def test_bootstrap_interval_agrees_with_one_written_out() -> None:
    # BCa by its definition (Efron 1987), on skewed values and with other random numbers.
    x = np.array([0.1, 0.2, 0.2, 0.4, 0.5, 0.7, 1.1, 1.6, 2.4, 4.0])
    means = np.random.default_rng(7).choice(x, (200_000, len(x))).mean(axis=1)
    bias = stats.norm.ppf(np.mean(means < x.mean()) + np.mean(means == x.mean()) / 2)
    left_out = np.array([np.delete(x, i).mean() for i in range(len(x))])
    d = left_out.mean() - left_out
    acceleration = (d**3).sum() / (6 * (d**2).sum() ** 1.5)
    z = bias + stats.norm.ppf([0.025, 0.975])
    expected = np.quantile(means, stats.norm.cdf(bias + z / (1 - acceleration * z)))
    summary = summarize(list(x))
    assert (summary.low, summary.high) == pytest.approx(tuple(expected), abs=0.04)
    assert summary == summarize(list(x))  # seeded
    assert summary.high is not None
    assert summary.low is not None
    assert summary.high - summary.mean > 1.3 * (summary.mean - summary.low)  # a t interval would be symmetric


def test_variance_components_by_hand() -> None:
    # Means 2 and 6: MSE = (2 + 2) / 2, MSA = 2 * (4 + 4), n_0 = 2.
    components = variance_components([[1.0, 3.0], [5.0, 7.0]])
    assert (components.num_searches, components.num_retrainings) == (2, 4)
    assert components.within_sd == pytest.approx(math.sqrt(2))
    assert components.between_sd == pytest.approx(math.sqrt((16 - 2) / 2))


def test_variance_components_of_unequal_groups_by_hand() -> None:
    # Means 2 and 5, grand mean 3.2: MSE = 4 / 3, MSA = 3 * 1.44 + 2 * 3.24, n_0 = 5 - 13 / 5.
    components = variance_components([[1.0, 2.0, 3.0], [4.0, 6.0]])
    assert components.within_sd == pytest.approx(math.sqrt(4 / 3))
    assert components.between_sd == pytest.approx(math.sqrt((10.8 - 4 / 3) / 2.4))


def test_negative_variance_between_searches_is_zero() -> None:
    assert variance_components([[1.0, 3.0], [1.0, 3.0]]).between_sd == 0.0


def test_variance_components_that_cannot_be_estimated_are_none() -> None:
    once = variance_components([[0.9], [0.8], [0.7]])
    assert (once.num_searches, once.between_sd, once.within_sd) == (3, None, None)
    single = variance_components([[0.9, 0.8]])
    assert (single.between_sd, single.within_sd) == (None, pytest.approx(0.1 / math.sqrt(2)))
    assert variance_components([[0.9, 0.9], [0.8, 0.8]]).within_sd == 0.0


def test_variance_components_find_those_of_simulated_trials() -> None:
    generator = np.random.default_rng(0)
    groups = [
        generator.normal(generator.normal(96.95, 0.21), 0.10, size=generator.integers(1, 4)).tolist()
        for _ in range(4_000)
    ]
    components = variance_components(groups)
    assert components.between_sd == pytest.approx(0.21, rel=0.04)
    assert components.within_sd == pytest.approx(0.10, rel=0.04)


def test_correlation_by_hand() -> None:
    assert correlate([1.0, 2.0, 3.0], [1.0, 3.0, 2.0]).kendall_tau == pytest.approx(1 / 3)
    # Pairs: 3 concordant, 2 discordant, one tie in b alone: (3 - 2) / sqrt(6 * 5).
    tied = correlate([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.0, 1.5])
    assert tied.kendall_tau == pytest.approx((3 - 2) / math.sqrt(6 * 5))
    # All 4! orders are equally likely, and two are as extreme as the perfect one.
    assert correlate([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 4.0]).pvalue == pytest.approx(2 / 24)


@pytest.mark.parametrize(("a", "b"), [([], []), ([1.0, 2.0], [1.0, 2.0]), ([1.0, 2.0, 3.0], [0.5, 0.5, 0.5])])
def test_undefined_correlation_is_none(a: list[float], b: list[float]) -> None:
    assert correlate(a, b) == Correlation(len(a), None, None)


def test_correlation_of_matched_lengths_only() -> None:
    with pytest.raises(ValueError, match="found 2 and 1"):
        correlate([1.0, 2.0], [1.0])


def test_rank_correlation_of_two_retrainings_is_that_of_the_published_networks() -> None:
    # Random networks of DARTS' space spread by 0.23, retrainings by 0.10; two retrainings of 24 networks had tau 0.58.
    # For normal variables tau is 2 / pi * arcsin(rho), with rho the share of the variance that lies between networks.
    generator = np.random.default_rng(0)
    networks = generator.normal(96.95, math.sqrt(0.23**2 - 0.10**2), 4_000)
    first, second = (list(networks + generator.normal(0.0, 0.10, len(networks))) for _ in range(2))
    tau = correlate(first, second).kendall_tau
    assert tau == pytest.approx(2 / math.pi * math.asin(1 - 0.10**2 / 0.23**2), abs=0.02)
    assert tau == pytest.approx(0.58, abs=0.05)


def test_interval_of_bounded_values_stays_within_the_bounds() -> None:
    assert mean_within([0.0, 1.0], (0.0, 1.0)) == (0.5, 0.0, 1.0)
    mean, low, high = mean_within([0.4, 0.5, 0.6], (0.0, 1.0))
    assert (mean, low, high) == pytest.approx((0.5, 0.5 - 0.248414, 0.5 + 0.248414), abs=1e-5)
    assert mean_within([0.3], (0.0, 1.0)) == (0.3, None, None)
    assert mean_within([0.3, 0.3], (0.0, 1.0)) == (0.3, None, None)
