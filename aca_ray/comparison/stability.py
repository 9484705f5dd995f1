"""Stability of channel ranks from one milestone to the next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from aca_ray.comparison.grouping import distinct, grouped, keys_of, mean_row
from aca_ray.comparison.rows import AllocationRow
from aca_ray.comparison.statistics import known_mean_within


@dataclass(frozen=True)
class StabilityRow:
    """Agreement of a milestone with the previous one, over search seeds.

    Attributes:
        epoch: the milestone, counted from 1.
        n: number of search seeds with an agreement.
        kendall_tau_mean: Kendall's tau of the channel scores, in [-1, 1]; None if no seed has one.
        kendall_tau_low: lower end of the 95 % t interval of the mean; None when n = 1 or all values are equal.
        jaccard_mean: overlap of the kept channels, in [0, 1], with an interval of the same kind.
    """

    method: str
    space: str
    data: str
    setting: str
    epochs: int
    ranking: str
    epoch: int
    n: int
    kendall_tau_mean: float | None
    kendall_tau_low: float | None
    kendall_tau_high: float | None
    jaccard_mean: float | None
    jaccard_low: float | None
    jaccard_high: float | None


def stability_rows(allocations: Iterable[AllocationRow]) -> tuple[StabilityRow, ...]:
    """Return one row per method, ranker and milestone that has a previous one."""
    keys = keys_of(StabilityRow)
    known = (row for row in allocations if row.kendall_tau is not None or row.jaccard is not None)
    once = distinct(known, lambda row: (keys(row), row.seed))  # the rules of one milestone share its agreement
    return tuple(
        mean_row(
            StabilityRow,
            key,
            len(rows),
            known_mean_within([row.kendall_tau for row in rows], (-1.0, 1.0)),
            known_mean_within([row.jaccard for row in rows], (0.0, 1.0)),
        )
        for key, rows in sorted(grouped(once, keys).items())
    )
