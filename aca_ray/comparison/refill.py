"""Refilled channels per stage and per edge, over seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean

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


_Stage = tuple[str, str, str, str, int, str, str, int, int]  # the fields of a row before its edge


def refill_rows(edges: Iterable[EdgeRow]) -> tuple[RefillRow, ...]:
    """Return, per method, rule, milestone and stage, one row for the stage and one per edge that any seed keeps."""
    stages: dict[_Stage, dict[int, dict[tuple[int, int], float]]] = defaultdict(lambda: defaultdict(dict))
    search_of: dict[tuple[_Stage, int], str] = {}
    for row in edges:
        place = (row.method, row.space, row.data, row.setting, row.epochs, row.ranking, row.allocation, row.epoch)
        stage = (*place, row.stage)
        if search_of.setdefault((stage, row.seed), row.search) == row.search:  # two sweeps may use the same seed
            stages[stage][row.seed][row.target, row.source] = 1.0 - row.kept_share
    rows = []
    for stage in sorted(stages):
        seeds = stages[stage].values()
        rows.append(_refill_row(stage, None, [fmean(refilled.values()) for refilled in seeds]))
        for target, source in sorted({edge for refilled in seeds for edge in refilled}):
            edge = f"{stage_cell_type(stage[-1])} {source}->{target}"
            shares = [refilled[target, source] for refilled in seeds if (target, source) in refilled]
            rows.append(_refill_row(stage, edge, shares))
    return tuple(rows)


def _refill_row(stage: _Stage, edge: str | None, shares: Sequence[float]) -> RefillRow:
    mean, low, high = mean_within(shares, (0.0, 1.0))
    return RefillRow(*stage, edge, len(shares), mean, low, high)
