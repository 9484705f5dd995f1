"""Pairs of rankers and rules against each other, and each against its own controls, over the same searches.

All pairs allocate the channels of the same checkpoints, so every difference is paired by search. The best pair is the
one with the largest mean advantage over its control `random`, which keeps as many channels of every edge, drawn at
random. For looked-up networks, `shuffled` takes its place, which keeps as many edges, drawn at random: the table of a
benchmark has only whole edges, and `random` does not change those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import fmean

from aca_ray.comparison.families import Tested, adjusted
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.kinds import ALLOCATED, SKIP_FREE, Group, Kind, Pair, Place
from aca_ray.comparison.rows import NetworkRow
from aca_ray.comparison.statistics import PairedDifference, paired

OTHER_PAIR = "pair"


@dataclass(frozen=True)
class PairComparison(Tested):
    """A pair against one of its baselines, at one place.

    Attributes:
        method: method; None, as epochs, for all methods and budgets of the place together.
        baseline: a control of the pair, `skip-free`, or `pair` for another pair.
        other: the other pair; None for other baselines.
        n: number of searches with networks of the pair.
        accuracy: mean test accuracy of the networks of the pair over searches; all fields below are means too.
        baseline_n: number of searches with networks of the baseline.
        difference: pair - baseline, paired by search; all pairs and places with this kind of baseline form a family of
            tests, with separate families for single groups and for all methods together.
    """

    place: Place
    method: str | None
    epochs: int | None
    pair: Pair
    baseline: str
    other: Pair | None
    n: int
    accuracy: float
    refilled_share: float
    parameters: float
    baseline_n: int
    baseline_accuracy: float
    baseline_parameters: float

    @property
    def kept_share(self) -> float:
        """Share of the channels that operations keep."""
        return 1.0 - self.refilled_share


@dataclass(frozen=True)
class _Networks:
    """Networks of one kind: means over the retrainings of every search, by fingerprint of the search."""

    accuracies: Mapping[str, float]
    refilled_shares: Mapping[str, float]
    parameters: Mapping[str, float]


def compare_pairs(
    by_group: Mapping[Group, Mapping[Kind, Sequence[NetworkRow]]], pairs: Sequence[Pair]
) -> tuple[PairComparison, ...]:
    """Return every pair against its baselines: per place over all searches, then per group if there are several.

    Args:
        by_group: the rows of every group by kind.
        pairs: order of the pairs; earlier pairs are compared with later ones.
    """
    whole: list[PairComparison] = []
    single: list[PairComparison] = []
    for place, groups in grouped(sorted(by_group), attrgetter("place")).items():
        together: dict[Kind, list[NetworkRow]] = {}
        for group in groups:
            for kind, rows in by_group[group].items():
                together.setdefault(kind, []).extend(rows)
        whole += _compared(place, None, together, pairs)
        if len(groups) > 1:
            single += [one for group in groups for one in _compared(place, group, by_group[group], pairs)]
    return tuple(one for some in (whole, single) for one in adjusted(some, attrgetter("baseline")))


def criterion(place: Place) -> str:
    """Return the name of the control that decides which pair is best at a place."""
    return "shuffled" if place.is_looked_up else "random"


def by_advantage(comparisons: Iterable[PairComparison]) -> list[PairComparison]:
    """Return the comparisons with the control of the criterion, largest mean advantage first."""
    found = [one for one in comparisons if one.baseline == criterion(one.place)]
    return sorted(found, key=lambda one: -one.difference.mean if one.difference else float("inf"))


def _compared(
    place: Place, group: Group | None, rows: Mapping[Kind, Sequence[NetworkRow]], pairs: Sequence[Pair]
) -> Iterator[PairComparison]:
    """Yield every pair of one place, or of one group there, against its baselines, without adjusted p-values."""
    networks = {kind: _networks(kind_rows) for kind, kind_rows in rows.items()}
    own = {pair: networks[Kind(ALLOCATED, pair)] for pair in pairs if Kind(ALLOCATED, pair) in networks}
    skip_free = networks.get(Kind(SKIP_FREE))
    for pair, main in own.items():
        controls = {kind.control: found for kind, found in networks.items() if kind.pair == pair and kind.control}
        baselines = [(name, None, found) for name, found in sorted(controls.items())]
        baselines += [(SKIP_FREE, None, skip_free)] if skip_free else []
        others = [(OTHER_PAIR, other, own[other]) for other in own if pairs.index(other) > pairs.index(pair)]
        for name, other, baseline in (*baselines, *others):
            yield PairComparison(
                place,
                method=group.method if group else None,
                epochs=group.epochs if group else None,
                pair=pair,
                baseline=name,
                other=other,
                n=len(main.accuracies),
                accuracy=fmean(main.accuracies.values()),
                refilled_share=fmean(main.refilled_shares.values()),
                parameters=fmean(main.parameters.values()),
                baseline_n=len(baseline.accuracies),
                baseline_accuracy=fmean(baseline.accuracies.values()),
                baseline_parameters=fmean(baseline.parameters.values()),
                difference=_difference(main, baseline),
            )


def _networks(rows: Sequence[NetworkRow]) -> _Networks:
    by_search = grouped(rows, attrgetter("search"))

    def means(name: str) -> dict[str, float]:
        return {search: fmean(getattr(row, name) for row in found) for search, found in by_search.items()}

    return _Networks(means("test_accuracy"), means("refilled_share"), means("parameters"))


def _difference(a: _Networks, b: _Networks) -> PairedDifference | None:
    shared = sorted(a.accuracies.keys() & b.accuracies.keys())
    if not shared:
        return None
    return paired([a.accuracies[search] for search in shared], [b.accuracies[search] for search in shared])
