"""Share of the channels that operations keep over the epochs of a search, per pair of ranker and rule.

If the share falls toward 0 with the number of search epochs, skip connections refill all channels: the accumulation
that allocation should prevent.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from aca_ray.comparison.grouping import distinct, grouped, keys_of, mean_row
from aca_ray.comparison.kinds import Pair
from aca_ray.comparison.rows import AllocationRow
from aca_ray.comparison.statistics import mean_within


@dataclass(frozen=True)
class KeptShareRow:
    """Kept share of one pair at one milestone, over search seeds.

    Attributes:
        epochs: length of the search.
        epoch: the milestone, counted from 1.
        n: number of searches.
        kept_mean: share of the channels that operations keep, 1 - refilled share, in [0, 1].
        kept_low: lower end of the 95 % t interval of the mean; None when n = 1 or all values are equal.
    """

    space: str
    data: str
    setting: str
    method: str
    epochs: int
    ranking: str
    allocation: str
    epoch: int
    n: int
    kept_mean: float
    kept_low: float | None
    kept_high: float | None


def kept_share_rows(allocations: Iterable[AllocationRow], pairs: Collection[Pair]) -> tuple[KeptShareRow, ...]:
    """Return one row per method, budget, pair and milestone; controls keep the same share as their pair."""
    keys = keys_of(KeptShareRow)
    main = (row for row in allocations if (row.ranking, row.allocation) in pairs)
    once = distinct(main, lambda row: (keys(row), row.search))
    return tuple(
        mean_row(KeptShareRow, key, len(rows), mean_within([1.0 - row.refilled_share for row in rows], (0.0, 1.0)))
        for key, rows in sorted(grouped(once, keys).items())
    )
