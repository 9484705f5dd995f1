"""Refilled channels per stage and per edge, over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean

from aca_ray.comparison.grouping import grouped, mean_row
from aca_ray.comparison.rows import EdgeRow
from aca_ray.comparison.statistics import mean_within
from aca_ray.space.topology import stage_cell_type


@dataclass(frozen=True)
class RefillRow:
    """Refilled share of one stage, or of one edge in it, over search seeds.

    Attributes:
        epoch: the milestone, counted from 1.
        stage: 0 to 4.
        edge: edge such as "normal 0->2"; None for the mean over the kept edges of the stage.
        n: number of search seeds that keep the edge.
        refilled_mean: 1 - kept share, in [0, 1].
        refilled_low: lower end of the 95 % t interval of the mean; None when n = 1 or all values are equal.
    """

    method: str
    space: str
    data: str
    setting: str
    epochs: int
    ranking: str
    allocation: str
    epoch: int
    stage: int
    edge: str | None
    n: int
    refilled_mean: float
    refilled_low: float | None
    refilled_high: float | None


_STAGE = attrgetter("method", "space", "data", "setting", "epochs", "ranking", "allocation", "epoch", "stage")


def refill_rows(edges: Iterable[EdgeRow]) -> tuple[RefillRow, ...]:
    """Return, per method, rule, milestone and stage, one row for the stage and one per edge that any seed keeps."""
    rows: list[RefillRow] = []
    for stage, own in sorted(grouped(edges, _STAGE).items()):
        seeds = [_shares(of_seed) for of_seed in grouped(own, attrgetter("seed")).values()]
        found: dict[str | None, list[float]] = {None: [fmean(shares.values()) for shares in seeds]}
        for target, source in sorted({edge for shares in seeds for edge in shares}):
            found[f"{stage_cell_type(stage[-1])} {source}->{target}"] = [
                shares[target, source] for shares in seeds if (target, source) in shares
            ]
        rows += [
            mean_row(RefillRow, (*stage, edge), len(shares), mean_within(shares, (0.0, 1.0)))
            for edge, shares in found.items()
        ]
    return tuple(rows)


def _shares(rows: Sequence[EdgeRow]) -> dict[tuple[int, int], float]:
    """Return the refilled share by target and source; of two searches with the same seed, that of the first."""
    return {(row.target, row.source): 1.0 - row.kept_share for row in rows if row.search == rows[0].search}
