"""Results of look-ups in the table of a benchmark: curves per search, and means over search seeds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean, stdev
from typing import NamedTuple

from aca_ray.comparison.grouping import distinct, grouped
from aca_ray.comparison.rows import LookUpRow

_AS_FOUND = ("searched", "skip-free")

Curve = Sequence[LookUpRow]


class LookUpPlace(NamedTuple):
    """The fields that comparable look-ups share; `protocol` is `table` and the name of the table."""

    space: str
    data: str
    setting: str
    protocol: str
    epochs: int


@dataclass(frozen=True)
class LookUpArm:
    """The networks of one kind that a method found under one budget, looked up.

    Attributes:
        protocol: `table` and the name of the table.
        networks: `searched`, `skip-free` (searched without skips, nothing refilled), or the rule, ranker and control.
        n: number of search seeds.
        accuracy: accuracy at the final epoch, in [0, 1], a mean over seeds, as are regret and rank.
        accuracy_sd: standard deviation over seeds; None for one seed.
        lowest_accuracy: accuracy at the final epoch of the worst seed.
        regret: accuracy of the best architecture of the table minus that of the cell.
        rank: 1 + the number of architectures of the table with a higher accuracy.
        peak_accuracy: highest mean over seeds among the epochs that are looked up for all seeds.
        peak_epoch: first epoch with this mean.
    """

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    epochs: int
    networks: str
    n: int
    accuracy: float
    accuracy_sd: float | None
    lowest_accuracy: float
    regret: float
    rank: float
    peak_accuracy: float
    peak_epoch: int


def look_up_curves(rows: Iterable[LookUpRow]) -> dict[LookUpPlace, dict[str, dict[str, list[Curve]]]]:
    """Return the curves of all look-ups, one per search, by place, method and kind of networks, sorted.

    A look-up shared by several sweeps counts once.
    """
    once = distinct(rows, attrgetter("fingerprint", "epoch"))
    curves = [sorted(own, key=attrgetter("epoch")) for own in grouped(once, attrgetter("fingerprint")).values()]
    curves.sort(key=lambda curve: (_place(curve), curve[0].method, _order(_networks(curve)), curve[0].seed))
    found: dict[LookUpPlace, dict[str, dict[str, list[Curve]]]] = {}
    for curve in curves:
        arms = found.setdefault(_place(curve), {}).setdefault(curve[0].method, {})
        arms.setdefault(_networks(curve), []).append(curve)
    return found


def mean_curve(curves: Collection[Curve]) -> list[tuple[int, float]]:
    """Return (epoch, mean accuracy over seeds) of the epochs that are looked up for all seeds, in order."""
    known = (row for curve in curves for row in curve if row.accuracy is not None)
    by_epoch = sorted(grouped(known, attrgetter("epoch")).items())
    return [(epoch, fmean(row.accuracy or 0.0 for row in rows)) for epoch, rows in by_epoch if len(rows) == len(curves)]


def look_up_arms(rows: Iterable[LookUpRow]) -> tuple[LookUpArm, ...]:
    """Return the looked-up arms, in the order of their curves."""
    return tuple(
        _arm(place, method, networks, curves)
        for place, methods in look_up_curves(rows).items()
        for method, arms in methods.items()
        for networks, curves in arms.items()
    )


def _arm(place: LookUpPlace, method: str, networks: str, curves: Collection[Curve]) -> LookUpArm:
    last = [curve[-1] for curve in curves]
    accuracies = [row.accuracy for row in last if row.accuracy is not None]  # the last one is never None
    peak_epoch, peak = max(mean_curve(curves), key=lambda point: (point[1], -point[0]))
    return LookUpArm(
        **place._asdict(),
        method=method,
        networks=networks,
        n=len(last),
        accuracy=fmean(accuracies),
        accuracy_sd=stdev(accuracies) if len(accuracies) > 1 else None,
        lowest_accuracy=min(accuracies),
        regret=fmean(row.regret for row in last if row.regret is not None),
        rank=fmean(row.rank for row in last if row.rank is not None),
        peak_accuracy=peak,
        peak_epoch=peak_epoch,
    )


def _place(curve: Curve) -> LookUpPlace:
    row = curve[0]
    return LookUpPlace(row.space, row.data, row.setting, row.protocol, row.epochs)


def _networks(curve: Curve) -> str:
    """Return the kind of looked-up networks, in words."""
    row = curve[0]
    if row.ranking is None:
        return _AS_FOUND[row.skip == "allocated"]
    pair = f"{row.allocation} of {row.ranking}"
    return pair if row.control is None else f"{pair}, {row.control}"


def _order(networks: str) -> tuple[int, str]:
    return (_AS_FOUND.index(networks) if networks in _AS_FOUND else len(_AS_FOUND), networks)
