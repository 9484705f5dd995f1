"""One side of a comparison: the networks of one kind that a method found, over seeds.

Two levels of repetition are kept apart: the retrainings of one search are averaged first, so that n is always a number
of search seeds.

Source: ours; which quantities are reported follows Lindauer & Hutter 2020.
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
    """What all rows of one comparison share; ordered so that sorting gives the order of the tables."""

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    epochs: int

    @property
    def is_looked_up(self) -> bool:
        """Whether accuracies are those of a benchmark's table, and nothing was retrained."""
        return is_looked_up(self.protocol)

    @property
    def evaluated(self) -> str:
        """How its networks were evaluated, in words."""
        return self.protocol if self.is_looked_up else f"protocol {self.protocol}"

    @property
    def place(self) -> str:
        """Where its networks were found and how they were evaluated, in words."""
        return f"{self.space} on {self.data}, {self.evaluated}"

    @property
    def label(self) -> str:
        """The group in words."""
        return f"{self.method}, {self.place}, {self.epochs} search epochs"


@dataclass(frozen=True)
class SeedMean:
    """The mean over the retrainings of one search seed.

    Attributes:
        seed: the search seed.
        num_retrainings: how many retrainings were averaged.
        test_accuracy: of the final epoch, in [0, 1].
        best_test_accuracy: of the best epoch, in [0, 1].
        search_seconds: None where unknown, as ranking_seconds.
        evaluation_seconds: 0 for a retraining that was copied from an equal one.
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
        test_accuracy: of the final epoch, over seeds.
        best_test_accuracy: of the best epoch, over seeds.
        variance: how much searches and retrainings differ; None where no search is retrained twice.
        search_devices: names of the processors or GPUs of the searches, sorted; empty where unknown.
        evaluation_devices: those of the retrainings, likewise.
        peak_bytes: most memory that any of its searches or retrainings held; None where unknown.
        parameters: mean over seeds, as all below.
        search_seconds: None where it is unknown for every seed, as ranking_seconds.
        evaluation_seconds: 0 for retrainings that were copied from equal ones.
        num_shared: number of such retrainings.
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
        """The seed of lowest final test accuracy, the first of equal ones."""
        return min(self.seeds, key=lambda seed: seed.test_accuracy)

    @property
    def best(self) -> SeedMean:
        """The seed of highest final test accuracy, the first of equal ones; never the arm's result."""
        return max(self.seeds, key=lambda seed: seed.test_accuracy)

    @property
    def devices(self) -> tuple[str, ...]:
        """Names of the processors and GPUs behind the arm, sorted."""
        return tuple(sorted({*self.search_devices, *self.evaluation_devices}))

    @property
    def parameter_range(self) -> tuple[float, float]:
        """Fewest and most parameters of any seed."""
        return min(seed.parameters for seed in self.seeds), max(seed.parameters for seed in self.seeds)

    @property
    def num_evaluations(self) -> int:
        """Number of evaluated networks behind the arm."""
        return sum(seed.num_retrainings for seed in self.seeds)


def group_of(row: EvaluationRow) -> Group:
    """Return the group of a row."""
    return Group(row.space, row.data, row.setting, row.protocol, row.method, row.epochs)


def arm_of(rows: Sequence[EvaluationRow]) -> Arm:
    """Return the arm of at least one row, which all belong to one group and kind."""
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
    """Return a - b in final test accuracy over the seeds that both have; None if there is none."""
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
