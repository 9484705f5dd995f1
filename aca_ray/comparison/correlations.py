"""Correlation between the accuracy of the supernet and that of the retrained network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean

from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.kinds import Group, Pair, group_of, kind_of, main_networks
from aca_ray.comparison.rows import NetworkRow
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
    networks: Iterable[NetworkRow], main_pairs: Mapping[Group, Pair | None]
) -> tuple[CorrelationRow, ...]:
    """Return one row per method and kind of networks; allocated networks are those of the group's main pair.

    Source: Kendall 1945; that the correlation may be low or negative is from Yu et al. 2020 and Zela et al. 2020.
    """
    found = grouped(main_networks(networks, main_pairs), lambda row: (*group_of(row)[:5], kind_of(row).networks))
    rows = []
    for arm, networks in sorted(found.items()):
        pairs = [
            (own[0].search_valid_accuracy, fmean(row.test_accuracy for row in own))
            for own in grouped(networks, attrgetter("seed", "epochs")).values()
            if own[0].search_valid_accuracy is not None
        ]
        correlation = correlate([valid for valid, _ in pairs], [test for _, test in pairs])
        rows.append(CorrelationRow(*arm, correlation.n, correlation.kendall_tau, correlation.pvalue))
    return tuple(rows)
