"""One side of a comparison: networks of one kind that a method found, over seeds.

Retrainings of the same search are averaged first, so n is always a number of search seeds.

Source: ours; Lindauer & Hutter 2020 for the reported quantities.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import NamedTuple

from aca_ray.comparison.rows import EvaluationRow
from aca_ray.comparison.statistics import (
    PairedDifference,
    Summary,
    VarianceComponents,
    paired,
    summarize,
    variance_components,
)
from aca_ray.records.labels import is_looked_up


class Group(NamedTuple):
    """The fields that all rows of one comparison share; groups sort in the order of the tables."""

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    epochs: int

    @property
    def is_looked_up(self) -> bool:
        """Whether accuracies are looked up in the table of a benchmark instead of measured by retraining."""
        return is_looked_up(self.protocol)

    @property
    def evaluated(self) -> str:
        """The protocol or table, in words."""
        return self.protocol if self.is_looked_up else f"protocol {self.protocol}"

    @property
    def place(self) -> str:
        """Space, data, and protocol or table, in words."""
        return f"{self.space} on {self.data}, {self.evaluated}"

    @property
    def label(self) -> str:
        """The group in words."""
        return f"{self.method}, {self.place}, {self.epochs} search epochs"


@dataclass(frozen=True)
class SeedMean:
    """The mean over the retrainings of one search seed.

    Attributes:
        seed: search seed.
        num_retrainings: number of averaged retrainings.
        test_accuracy: accuracy at the final epoch, in [0, 1].
        best_test_accuracy: accuracy at the best epoch, in [0, 1].
        search_seconds: time of the search; None if unknown.
        ranking_seconds: time of ranking and allocating channels; None if unknown.
        evaluation_seconds: time of a retraining; 0 for one copied from an identical one.
    """

    seed: int
    num_retrainings: int
    test_accuracy: float
    best_test_accuracy: float
    parameters: float
    macs: float
    num_skips: float
    num_parametric: float
    refilled_share: float
    search_seconds: float | None
    ranking_seconds: float | None
    evaluation_seconds: float


@dataclass(frozen=True)
class Arm:
    """One side of a comparison, over seeds.

    Attributes:
        seeds: one entry per search seed, ascending.
        test_accuracy: accuracy at the final epoch, over seeds.
        best_test_accuracy: accuracy at the best epoch, over seeds.
        variance: variance between searches and between retrainings; None if no search is retrained twice.
        search_devices: names of the processors or GPUs of the searches, sorted; empty if unknown.
        evaluation_devices: names of the processors or GPUs of the retrainings, sorted; empty if unknown.
        peak_bytes: peak memory of any search or retraining; None if unknown.
        parameters: mean over seeds, as for all fields below except num_shared.
        search_seconds: time of the search; None if unknown for every seed.
        ranking_seconds: time of ranking and allocating channels; None if unknown for every seed.
        evaluation_seconds: time of a retraining; 0 for those copied from identical ones.
        num_shared: number of copied retrainings.
    """

    seeds: tuple[SeedMean, ...]
    test_accuracy: Summary
    best_test_accuracy: Summary
    variance: VarianceComponents | None
    search_devices: tuple[str, ...]
    evaluation_devices: tuple[str, ...]
    peak_bytes: float | None
    parameters: float
    macs: float
    num_skips: float
    num_parametric: float
    refilled_share: float
    search_seconds: float | None
    ranking_seconds: float | None
    evaluation_seconds: float
    num_shared: int

    @property
    def worst(self) -> SeedMean:
        """The seed with the lowest final test accuracy; the first of equal ones."""
        return min(self.seeds, key=lambda seed: seed.test_accuracy)

    @property
    def best(self) -> SeedMean:
        """The seed with the highest final test accuracy, the first of equal ones; never the result of the arm."""
        return max(self.seeds, key=lambda seed: seed.test_accuracy)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the processors and GPUs of searches and retrainings, sorted."""
        return tuple(sorted({*self.search_devices, *self.evaluation_devices}))

    @property
    def parameter_range(self) -> tuple[float, float]:
        """Fewest and most parameters over seeds."""
        return min(seed.parameters for seed in self.seeds), max(seed.parameters for seed in self.seeds)

    @property
    def num_evaluations(self) -> int:
        """Number of evaluated networks."""
        return sum(seed.num_retrainings for seed in self.seeds)


def group_of(row: EvaluationRow) -> Group:
    """Return the group of a row."""
    return Group(row.space, row.data, row.setting, row.protocol, row.method, row.epochs)


def arm_of(rows: Sequence[EvaluationRow]) -> Arm:
    """Return the arm of one or more rows of the same group and kind."""
    by_seed: dict[int, list[EvaluationRow]] = defaultdict(list)
    for row in rows:
        by_seed[row.seed].append(row)
    seeds = tuple(_seed_mean(seed, by_seed[seed]) for seed in sorted(by_seed))
    variance = variance_components([[row.test_accuracy for row in by_seed[seed]] for seed in sorted(by_seed)])
    peaks = [peak for row in rows for peak in (row.search_peak_bytes, row.peak_bytes) if peak is not None]
    return Arm(
        seeds=seeds,
        test_accuracy=summarize([seed.test_accuracy for seed in seeds]),
        best_test_accuracy=summarize([seed.best_test_accuracy for seed in seeds]),
        variance=None if variance.within_sd is None else variance,
        search_devices=tuple(sorted({row.search_device for row in rows if row.search_device})),
        evaluation_devices=tuple(sorted({row.device for row in rows if row.device})),
        peak_bytes=max(peaks, default=None),
        parameters=fmean(seed.parameters for seed in seeds),
        macs=fmean(seed.macs for seed in seeds),
        num_skips=fmean(seed.num_skips for seed in seeds),
        num_parametric=fmean(seed.num_parametric for seed in seeds),
        refilled_share=fmean(seed.refilled_share for seed in seeds),
        search_seconds=_known_mean(seed.search_seconds for seed in seeds),
        ranking_seconds=_known_mean(seed.ranking_seconds for seed in seeds),
        evaluation_seconds=fmean(seed.evaluation_seconds for seed in seeds),
        num_shared=sum(row.shared_with is not None for row in rows),
    )


def difference(a: Arm | None, b: Arm | None) -> PairedDifference | None:
    """Return a - b in final test accuracy over the seeds of both; None if they share no seed."""
    if a is None or b is None:
        return None
    first, second = ({seed.seed: seed.test_accuracy for seed in arm.seeds} for arm in (a, b))
    shared = sorted(first.keys() & second.keys())
    return paired([first[seed] for seed in shared], [second[seed] for seed in shared]) if shared else None


def _seed_mean(seed: int, rows: Sequence[EvaluationRow]) -> SeedMean:
    return SeedMean(
        seed=seed,
        num_retrainings=len(rows),
        test_accuracy=fmean(row.test_accuracy for row in rows),
        best_test_accuracy=fmean(row.best_test_accuracy for row in rows),
        parameters=fmean(row.parameters for row in rows),
        macs=fmean(row.macs for row in rows),
        num_skips=fmean(row.num_skips for row in rows),
        num_parametric=fmean(row.num_parametric for row in rows),
        refilled_share=fmean(row.refilled_share for row in rows),
        search_seconds=_known_mean(row.search_seconds for row in rows),
        ranking_seconds=_known_mean(row.ranking_seconds for row in rows),
        evaluation_seconds=fmean(0.0 if row.shared_with else row.evaluation_seconds for row in rows),
    )


def _known_mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None
