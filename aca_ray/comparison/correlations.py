"""Correlation between the accuracy of the supernet and that of the retrained network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from aca_ray.comparison.arms import Group, group_of
from aca_ray.comparison.kinds import Kind, Pair, kind_of
from aca_ray.comparison.rows import EvaluationRow
from aca_ray.comparison.statistics import correlate


@dataclass(frozen=True)
class CorrelationRow:
    """Final search_valid accuracy against test accuracy of the retrained network, over search seeds and budgets.

    Attributes:
        networks: `searched`, `skip-free`, or `allocated` by the main pair.
        n: number of pairs, one per search seed and budget; retrainings are averaged first.
        kendall_tau: tau-b, in [-1, 1]; None below 3 pairs or if one side is constant.
        pvalue: two-sided p-value, for independent pairs; None if kendall_tau is.
    """

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    networks: str
    n: int
    kendall_tau: float | None
    pvalue: float | None


def correlation_rows(
    evaluations: Iterable[EvaluationRow], main_pairs: Mapping[Group, Pair | None]
) -> tuple[CorrelationRow, ...]:
    """Return one row per method and kind of networks; allocated networks are those of the group's main pair.

    Source: Kendall 1945; that the correlation may be low or negative is from Yu et al. 2020 and Zela et al. 2020.
    """
    by_arm: dict[tuple[str, str, str, str, str, str], dict[tuple[int, int], list[EvaluationRow]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for row in evaluations:
        kind = kind_of(row)
        if kind == Kind(kind.networks, kind.pair and main_pairs[group_of(row)]):
            arm = (row.space, row.data, row.setting, row.protocol, row.method, kind.networks)
            by_arm[arm][row.seed, row.epochs].append(row)
    rows = []
    for arm, retrainings in sorted(by_arm.items()):
        pairs = [
            (found[0].search_valid_accuracy, fmean(row.test_accuracy for row in found))
            for found in retrainings.values()
            if found[0].search_valid_accuracy is not None
        ]
        correlation = correlate([valid for valid, _ in pairs], [test for _, test in pairs])
        rows.append(CorrelationRow(*arm, correlation.n, correlation.kendall_tau, correlation.pvalue))
    return tuple(rows)
