"""One side of a comparison: networks of one kind that a method found, over seeds.

Retrainings of the same search are averaged first, so n is always a number of search seeds.

Source: Lindauer & Hutter 2020 for the reported quantities.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from statistics import fmean
from typing import Any

from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.kinds import Group, Kind, group_of
from aca_ray.comparison.rows import NetworkRow
from aca_ray.comparison.statistics import (
    PairedDifference,
    Summary,
    VarianceComponents,
    paired,
    summarize,
    variance_components,
)


@dataclass(frozen=True)
class Means:
    """Means over the retrainings of one search, or over search seeds.

    Attributes:
        search_seconds: time of the search; None if unknown.
        ranking_seconds: time of ranking and allocating channels; None if unknown.
        retraining_seconds: time of a retraining; 0 for one copied from an identical one.
    """

    parameters: float
    macs: float
    num_skips: float
    refilled_share: float
    search_seconds: float | None
    ranking_seconds: float | None
    retraining_seconds: float


@dataclass(frozen=True)
class SeedMean(Means):
    """The mean over the retrainings of one search seed.

    Attributes:
        seed: search seed.
        num_retrainings: number of averaged retrainings.
        test_accuracy: accuracy at the final epoch, in [0, 1].
        best_test_accuracy: accuracy at the best epoch, in [0, 1].
    """

    seed: int
    num_retrainings: int
    test_accuracy: float
    best_test_accuracy: float


@dataclass(frozen=True)
class Arm(Means):
    """One side of a comparison, over seeds.

    Attributes:
        group: group of the networks.
        networks: kind of the networks: `searched`, `skip-free` or `allocated`.
        seeds: one entry per search seed, ascending.
        test_accuracy: accuracy at the final epoch, over seeds.
        best_test_accuracy: accuracy at the best epoch, over seeds.
        variance: variance between searches and between retrainings; None if no search is retrained twice.
        search_devices: names of the processors or GPUs of the searches, sorted; empty if unknown.
        retraining_devices: names of the processors or GPUs of the retrainings, sorted; empty if unknown.
        peak_bytes: peak memory of any search or retraining; None if unknown.
        num_shared: number of copied retrainings.
        num_trainings: number of different retrainings or look-ups; searches that found equal networks share one.
    """

    group: Group
    networks: str
    seeds: tuple[SeedMean, ...]
    test_accuracy: Summary
    best_test_accuracy: Summary
    variance: VarianceComponents | None
    search_devices: tuple[str, ...]
    retraining_devices: tuple[str, ...]
    peak_bytes: float | None
    num_shared: int
    num_trainings: int

    @property
    def worst(self) -> SeedMean:
        """The seed with the lowest final test accuracy; the first of equal ones."""
        return min(self.seeds, key=lambda seed: seed.test_accuracy)

    @property
    def best(self) -> SeedMean:
        """The seed with the highest final test accuracy, the first of equal ones; never the result of the arm."""
        return max(self.seeds, key=lambda seed: seed.test_accuracy)

    @property
    def parameter_range(self) -> tuple[float, float]:
        """Fewest and most parameters over seeds."""
        return min(seed.parameters for seed in self.seeds), max(seed.parameters for seed in self.seeds)

    @property
    def num_networks(self) -> int:
        """Number of retrained or looked-up networks."""
        return sum(seed.num_retrainings for seed in self.seeds)


def arm_of(kind: Kind, rows: Sequence[NetworkRow]) -> Arm:
    """Return the arm of one or more rows of the same group and kind."""
    by_seed = dict(sorted(grouped(rows, attrgetter("seed")).items()))
    seeds = tuple(_seed_mean(seed, own) for seed, own in by_seed.items())
    variance = variance_components([[row.test_accuracy for row in own] for own in by_seed.values()])
    peaks = [peak for row in rows for peak in (row.search_peak_bytes, row.peak_bytes) if peak is not None]
    return Arm(
        **_means(seeds),
        group=group_of(rows[0]),
        networks=kind.networks,
        seeds=seeds,
        test_accuracy=summarize([seed.test_accuracy for seed in seeds]),
        best_test_accuracy=summarize([seed.best_test_accuracy for seed in seeds]),
        variance=None if variance.within_sd is None else variance,
        search_devices=tuple(sorted({row.search_device for row in rows if row.search_device})),
        retraining_devices=tuple(sorted({row.device for row in rows if row.device})),
        peak_bytes=max(peaks, default=None),
        num_shared=sum(row.shared_with is not None for row in rows),
        num_trainings=len({row.shared_with or row.fingerprint for row in rows}),
    )


def difference(a: Arm | None, b: Arm | None) -> PairedDifference | None:
    """Return a - b in final test accuracy over the seeds of both; None if they share no seed."""
    if a is None or b is None:
        return None
    first, second = ({seed.seed: seed.test_accuracy for seed in arm.seeds} for arm in (a, b))
    shared = sorted(first.keys() & second.keys())
    return paired([first[seed] for seed in shared], [second[seed] for seed in shared]) if shared else None


def _seed_mean(seed: int, rows: Sequence[NetworkRow]) -> SeedMean:
    return SeedMean(
        **_means([replace(row, retraining_seconds=0.0) if row.shared_with else row for row in rows]),
        seed=seed,
        num_retrainings=len(rows),
        test_accuracy=fmean(row.test_accuracy for row in rows),
        best_test_accuracy=fmean(row.best_test_accuracy for row in rows),
    )


def _means(items: Iterable[NetworkRow | SeedMean]) -> dict[str, Any]:
    """Return the fields of Means: the mean of the known values of every one."""
    known = {
        field.name: [value for item in items if (value := getattr(item, field.name)) is not None]
        for field in fields(Means)
    }
    return {name: fmean(values) if values else None for name, values in known.items()}
