"""Agreement of two rankers on the same searches."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from scipy import stats

from aca_ray.comparison.grouping import distinct, grouped, mean_row
from aca_ray.comparison.rows import ScoreFile
from aca_ray.comparison.statistics import known_mean_within
from aca_ray.errors import DataError
from aca_ray.storage import StoragePath
from aca_ray.storage.bounded import SCORES_BYTES, read_bytes

_EDGE = ("cell", "source", "target", "operation")
_PLACE = attrgetter("method", "space", "data", "setting", "epochs", "epoch")
Scores = dict[tuple[Any, ...], list[float]]


@dataclass(frozen=True)
class RankerAgreementRow:
    """Agreement of two rankers at one milestone, over search seeds.

    Attributes:
        epoch: the milestone, counted from 1.
        ranking_a: first of the two by name.
        n: number of searches that both ranked.
        kendall_tau_mean: Kendall's tau of the channel scores, in [-1, 1]; None if no search has one.
        kendall_tau_low: lower end of the 95 % t interval of the mean; None when n = 1 or all values are equal.
    """

    method: str
    space: str
    data: str
    setting: str
    epochs: int
    epoch: int
    ranking_a: str
    ranking_b: str
    n: int
    kendall_tau_mean: float | None
    kendall_tau_low: float | None
    kendall_tau_high: float | None


def ranker_agreement_rows(scores: Iterable[ScoreFile]) -> tuple[RankerAgreementRow, ...]:
    """Return one row per milestone and pair of rankers that ranked the same searches; reads their score files.

    Raises:
        StorageError: a score file cannot be opened.
        DataError: a score file has no channel scores.

    Source: Kendall 1945 (tau-b); the mean over the edges of a search, as between milestones, is not from there.
    """
    once = distinct(scores, attrgetter("search", "epoch", "ranking"))
    taus: dict[tuple[Any, ...], list[float | None]] = defaultdict(list)
    for rankers in grouped(once, attrgetter("search", "epoch")).values():
        read = {one.ranking: _read(one.file) for one in rankers} if len(rankers) > 1 else {}
        for a, b in itertools.combinations(sorted(read), 2):
            taus[(*_PLACE(rankers[0]), a, b)].append(_mean_tau(read[a], read[b]))
    return tuple(
        mean_row(RankerAgreementRow, key, len(values), known_mean_within(values, (-1.0, 1.0)))
        for key, values in sorted(taus.items())
    )


def _read(file: StoragePath) -> Scores:
    """Return the scores of every edge of every cell, by channel."""
    content = read_bytes(file, SCORES_BYTES)
    try:
        table = pq.read_table(pa.BufferReader(content), columns=[*_EDGE, "score"])
        columns = table.to_pydict()
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DataError(f"{file}: needs a Parquet file of channel scores ({error}); rank the channels again") from error
    scores: Scores = defaultdict(list)
    for *edge, score in zip(*(columns[name] for name in (*_EDGE, "score")), strict=True):
        scores[tuple(edge)].append(score)
    return scores


def _mean_tau(a: Scores, b: Scores) -> float | None:
    taus = [float(stats.kendalltau(a[edge], b[edge]).statistic) for edge in sorted(a.keys() & b.keys())]
    known = [tau for tau in taus if not math.isnan(tau)]
    return fmean(known) if known else None
