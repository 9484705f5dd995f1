"""Statistics over seeds: summaries, paired differences, correction for multiple tests.

Symbols:
    x_i     value of seed i; a_i, b_i the values of two arms for the same seed; d_i = a_i - b_i
    n       number of values or pairs
    m, s    mean, and standard deviation with n - 1 in the denominator
    t_q,v   quantile q of Student's t distribution with v degrees of freedom

Undefined quantities are None, never NaN. With n = 1 there is no deviation, interval or test. If all values are equal,
s is 0, and an interval or test would claim a certainty that n equal values do not give.

Source: textbook statistics (Student 1908; Wilcoxon 1945; Kendall 1945; Holm 1979; Efron 1987); what is reported follows
Lindauer & Hutter 2020 and Bouthillier et al. 2021 (arXiv 2103.03098).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

CONFIDENCE = 0.95
POWER = 0.80
# With 5 pairs the smallest two-sided p-value of the signed-rank test is 2 / 2**5 > 0.05: never significant.
MIN_WILCOXON_PAIRS = 6
# Below this number, the tails of the resampled mean are too thin and the intervals are known to be too short.
MIN_BOOTSTRAP_VALUES = 10
NUM_RESAMPLES = 9_999
MIN_CORRELATION_PAIRS = 3
# Accuracies are ratios of integers: differences below this share of the values themselves are rounding, not data.
ROUNDING = 1e-12

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """The values of one arm.

    Attributes:
        n: number of values, at least 1.
        mean: m.
        sd: s; None when n = 1.
        low: lower end of the 95 % interval of the mean; None when n = 1 or all values are equal.
        high: upper end; None as for `low`.
        interval: kind of the interval: `t` for n < 10, `bootstrap` otherwise; None without an interval.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    interval: str | None

    @property
    def is_constant(self) -> bool:
        """Whether there are several values, all equal."""
        return self.sd == 0.0


@dataclass(frozen=True)
class PairedDifference:
    """The difference a - b over pairs.

    Attributes:
        n: number of pairs, at least 1.
        mean: m of the differences.
        sd: s of the differences; None when n = 1.
        low: lower end of the 95 % interval of the mean difference; None when n = 1 or all differences are equal.
        high: upper end; None as for `low`.
        t_pvalue: two-sided p-value of the paired t test; None without an interval.
        wilcoxon_pvalue: exact two-sided p-value of the signed-rank test; None with fewer than 6 non-zero differences.
        superiority: share of the pairs with a > b, ties counted as one half, in [0, 1].
        effect_size: m / s (Cohen's d_z); None without an interval.
        detectable: true difference that the t test finds with 80 % power for this n and s; None without an interval.
    """

    n: int
    mean: float
    sd: float | None
    low: float | None
    high: float | None
    t_pvalue: float | None
    wilcoxon_pvalue: float | None
    superiority: float
    effect_size: float | None
    detectable: float | None

    @property
    def is_constant(self) -> bool:
        """Whether there are several pairs, with all differences equal."""
        return self.sd == 0.0


@dataclass(frozen=True)
class VarianceComponents:
    """Standard deviations between searches, and between retrainings of the same search.

    Attributes:
        num_searches: number of search seeds, a.
        num_retrainings: number of retrainings over all searches, N.
        between_sd: deviation between searches, without that of retraining; None when a = 1 or no search is retrained
            twice.
        within_sd: deviation between retrainings of the same search; None when no search is retrained twice.
    """

    num_searches: int
    num_retrainings: int
    between_sd: float | None
    within_sd: float | None


class MeanWithin(NamedTuple):
    """The mean of bounded values and its 95 % interval; the ends are None when n = 1 or all values are equal."""

    mean: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Correlation:
    """Agreement of two orders.

    Attributes:
        n: number of pairs.
        kendall_tau: tau-b, in [-1, 1]; None below 3 pairs, or if all values of one side are equal.
        pvalue: two-sided p-value; None if kendall_tau is.
    """

    n: int
    kendall_tau: float | None
    pvalue: float | None


def summarize(values: Sequence[float]) -> Summary:
    """Return n, mean, deviation and 95 % interval of the mean of at least one finite value.

    Source: Student 1908, m +- t_0.975,n-1 * s / sqrt(n), for n < 10; otherwise the bias-corrected and accelerated
    bootstrap of Efron 1987, with a fixed seed.
    """
    x = _as_values(values, "values")
    sd = _deviation(x, float(np.abs(x).max()))
    interval = None if not sd else "t" if len(x) < MIN_BOOTSTRAP_VALUES else "bootstrap"
    low, high = _bootstrap_interval(x) if interval == "bootstrap" else _interval(x, sd)
    return Summary(len(x), float(x.mean()), sd, low, high, interval)


def variance_components(groups: Sequence[Sequence[float]]) -> VarianceComponents:
    """Return the components of variance of a one-way random effects model; the groups may differ in size.

    Args:
        groups: per search, the values of its retrainings, at least one.

    Source: the estimator from the analysis of variance (Searle, Casella & McCulloch 1992, section 3.6):
    within^2 = MSE, between^2 = (MSA - MSE) / n_0 with n_0 = (N - sum n_i^2 / N) / (a - 1), or 0 if negative.
    """
    x = [_as_values(group, "groups") for group in groups]
    sizes = np.array([len(group) for group in x])
    count, total = len(x), int(sizes.sum())
    if total == count:
        return VarianceComponents(count, total, None, None)
    scale = max(float(np.abs(group).max()) for group in x)
    squares = [float(((group - group.mean()) ** 2).sum()) for group in x if _deviation(group, scale)]
    within = math.fsum(squares) / (total - count)
    between = None
    if count > 1:
        mean = float(np.concatenate(x).mean())
        among = sum(len(group) * (float(group.mean()) - mean) ** 2 for group in x) / (count - 1)
        typical_size = (total - float((sizes**2).sum()) / total) / (count - 1)
        between = math.sqrt(max(0.0, among - within) / typical_size)
    return VarianceComponents(count, total, between, math.sqrt(within))


def mean_within(values: Sequence[float], bounds: tuple[float, float]) -> MeanWithin:
    """Return mean and 95 % t interval of bounded values; the interval is clipped to the bounds.

    Source: Student 1908, for every n: a bootstrap would take minutes for tables of thousands of intervals.
    """
    x = _as_values(values, "values")
    low, high = _interval(x, _deviation(x, float(np.abs(x).max())))
    if low is None or high is None:
        return MeanWithin(float(x.mean()), None, None)
    return MeanWithin(float(x.mean()), max(bounds[0], low), min(bounds[1], high))


def known_mean_within(
    values: Sequence[float | None], bounds: tuple[float, float]
) -> tuple[float | None, float | None, float | None]:
    """Return `mean_within` of the known values; (None, None, None) if there are none."""
    known = [value for value in values if value is not None]
    return mean_within(known, bounds) if known else (None, None, None)


def correlate(a: Sequence[float], b: Sequence[float]) -> Correlation:
    """Return the agreement of two orders of the same items: a[i] and b[i] belong together.

    Source: Kendall 1945 (tau-b, which allows ties).
    """
    if len(a) != len(b):
        raise ValueError(f"correlate: a and b must be matched, found {len(a)} and {len(b)} values")
    if len(a) < MIN_CORRELATION_PAIRS or len(set(a)) == 1 or len(set(b)) == 1:
        return Correlation(len(a), None, None)
    result = stats.kendalltau(a, b)
    return Correlation(len(a), float(result.statistic), float(result.pvalue))


def paired(a: Sequence[float], b: Sequence[float]) -> PairedDifference:
    """Return the difference a - b over pairs that the caller has matched: a[i] and b[i] belong together.

    Raises:
        ValueError: the lengths differ, there is no pair, or a value is not finite.

    Source: Student 1908 (paired t test and interval); Wilcoxon 1945; effect size d_z of Cohen 1988; `detectable` is
    (t_0.975,n-1 + t_0.8,n-1) * s / sqrt(n), the usual approximation of the non-central t.
    """
    if len(a) != len(b):
        raise ValueError(f"paired: a and b must be matched, found {len(a)} and {len(b)} values")
    first, second = _as_values(a, "a"), _as_values(b, "b")
    d = first - second
    scale = float(max(np.abs(first).max(), np.abs(second).max()))
    # Rounding noise would break ties and give a nonzero deviation to equal differences.
    d = np.where(np.abs(d) <= ROUNDING * scale, 0.0, d)
    n = len(d)
    sd = _deviation(d, scale)
    low, high = _interval(d, sd)
    t_pvalue = effect_size = detectable = None
    if sd:
        standard_error = sd / math.sqrt(n)
        t_pvalue = float(2 * stats.t.sf(abs(d.mean()) / standard_error, n - 1))
        effect_size = float(d.mean() / sd)
        detectable = float((_t_quantile(n - 1) + stats.t.ppf(POWER, n - 1)) * standard_error)
    return PairedDifference(
        n=n,
        mean=float(d.mean()),
        sd=sd,
        low=low,
        high=high,
        t_pvalue=t_pvalue,
        wilcoxon_pvalue=_signed_rank_pvalue(d, ROUNDING * scale),
        superiority=float(np.mean((d > 0) + 0.5 * (d == 0))),
        effect_size=effect_size,
        detectable=detectable,
    )


def holm(pvalues: Sequence[float]) -> tuple[float, ...]:
    """Return the p-values adjusted for multiple tests, in the order given.

    Comparing adjusted values with 0.05 keeps the probability of any false finding in the family at or below 0.05.

    Source: Holm 1979; the i-th smallest of k is multiplied by k - i + 1 and is never below the previous one.
    """
    count = len(pvalues)
    adjusted = [0.0] * count
    largest = 0.0
    for position, index in enumerate(sorted(range(count), key=lambda i: pvalues[i])):
        largest = max(largest, min(1.0, pvalues[index] * (count - position)))
        adjusted[index] = largest
    return tuple(adjusted)


def _as_values(values: Sequence[float], name: str) -> Values:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not len(x) or not np.isfinite(x).all():
        raise ValueError(f"{name}: needs at least one finite value, found {list(values)}")
    return x


def _deviation(x: Values, scale: float) -> float | None:
    """Return s, or exactly 0 if the values differ by no more than the rounding of numbers as large as `scale`."""
    if len(x) == 1:
        return None
    return 0.0 if np.ptp(x) <= ROUNDING * scale else float(x.std(ddof=1))


def _interval(x: Values, sd: float | None) -> tuple[float | None, float | None]:
    if not sd:
        return None, None
    half = _t_quantile(len(x) - 1) * sd / math.sqrt(len(x))
    mean = float(x.mean())
    return mean - half, mean + half


@cache
def _t_quantile(degrees: int) -> float:
    return float(stats.t.ppf((1 + CONFIDENCE) / 2, degrees))


def _bootstrap_interval(x: Values) -> tuple[float, float]:
    interval = stats.bootstrap(
        (x,), np.mean, vectorized=True, n_resamples=NUM_RESAMPLES, confidence_level=CONFIDENCE, method="BCa", rng=0
    ).confidence_interval
    return float(interval.low), float(interval.high)


def _signed_rank_pvalue(d: Values, rounding: float) -> float | None:
    """Return the exact two-sided p-value of the signed-rank test, or None if there are too few differences.

    Zero differences are dropped and ties share their mean rank. The null distribution is counted over all sign
    patterns of the given ranks, so it is exact with ties, for which the usual tables are not valid.

    Source: Wilcoxon 1945; ties by mean ranks as in Pratt & Gibbons 1981, section 3.7.
    """
    magnitudes = np.abs(d[d != 0.0])
    if len(magnitudes) < MIN_WILCOXON_PAIRS:
        return None
    grid = np.round(magnitudes / rounding)
    doubled = [int(rank) for rank in 2 * stats.rankdata(grid)]  # mean ranks are halves: twice a rank is an integer
    total = sum(doubled)
    chance = np.zeros(total + 1)  # chance[w]: share of sign patterns whose positive (doubled) ranks sum to w
    chance[0] = 1.0
    for rank in doubled:
        chance[rank:] = 0.5 * (chance[rank:] + chance[: total + 1 - rank])
        chance[:rank] *= 0.5
    positive = sum(rank for rank, difference in zip(doubled, d[d != 0.0], strict=True) if difference > 0)
    return min(1.0, 2 * float(chance[: min(positive, total - positive) + 1].sum()))
