"""Which pair of ranker and rule works best."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter, itemgetter
from typing import NamedTuple

from aca_ray.comparison import SKIP_FREE, Comparison, Pair, Place
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.kept_shares import KeptShareRow
from aca_ray.comparison.pairs import OTHER_PAIR, PairComparison, by_advantage, criterion
from aca_ray.report.formats import clipped, count, difference_and_interval, number, percent, pvalue, tenths, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import place_labels, table_of
from aca_ray.report.row_files import FileColumn, RowFile, file_columns
from aca_ray.report.table import Column, Table, value_of
from aca_ray.report.tested import DIFFERENCE, DIFFERENCE_CAPTION, DIFFERENCE_FIELDS

_QUARTERS = 4  # of a search: the kept share is shown at the end of each
_CONTROLS = ("random", "uniform", "shuffled", SKIP_FREE)


class _Baselines(NamedTuple):
    """A pair at one place.

    Attributes:
        one: its comparison with any baseline, which has the numbers of the pair itself.
        test: its comparison with the control of the criterion; None if that has not finished.
        by_name: its comparisons by baseline.
    """

    one: PairComparison
    test: PairComparison | None
    by_name: dict[str, PairComparison]


def _against(name: str) -> Column:
    return number(f"pair - {name}", difference_and_interval, lambda row: value_of(row.by_name.get(name), "difference"))


# Of _Baselines.
_ADVANTAGE = (
    text("pair", "one.pair.label"),
    number("searches", of="one.n"),
    number("accuracy", percent, "one.accuracy"),
    number("kept %", tenths, "one.kept_share"),
    number("parameters", count, "one.parameters"),
    *map(_against, _CONTROLS),
    number("p (t)", pvalue, "test.difference.t_pvalue"),
    number("p (Holm)", pvalue, "test.holm_pvalue"),
)
# Of a comparison of pairs.
_EACH_OTHER = (
    text("pair", "pair.label"),
    text("other pair", "other.label"),
    number("accuracy", percent),
    number("other: accuracy", percent, "baseline_accuracy"),
    *DIFFERENCE,
)
_BRIEF = (
    text("pair", clipped(40, "pair.label")),
    number("n", of="num_pairs"),
    number("accuracy", percent),
    number("kept %", tenths, "kept_share"),
    number("control", percent, "baseline_accuracy"),
    number("pair - control", difference_and_interval, "difference"),
    number("p Holm", pvalue, "holm_pvalue"),
)
_FIELDS = {
    **file_columns(str, Place._fields, "place"),
    "method": FileColumn(str, "method"),
    "epochs": FileColumn(int, "epochs"),
    "ranking": FileColumn(str, "pair.ranking"),
    "allocation": FileColumn(str, "pair.allocation"),
    "baseline": FileColumn(str, "baseline"),
    "baseline_ranking": FileColumn(str, "other.ranking"),
    "baseline_allocation": FileColumn(str, "other.allocation"),
    "n": FileColumn(int, "n"),
    **file_columns(float, ("accuracy", "refilled_share", "parameters")),
    "baseline_n": FileColumn(int, "baseline_n"),
    **file_columns(float, ("baseline_accuracy", "baseline_parameters")),
    **DIFFERENCE_FIELDS,
}


def _at_quarter(quarter: int) -> Callable[[Sequence[KeptShareRow]], float | None]:
    """Return a function that returns the kept share of a search at the end of one of its quarters."""

    def share(rows: Sequence[KeptShareRow]) -> float | None:
        end = math.ceil(rows[0].epochs * quarter / _QUARTERS)
        return next((row.kept_mean for row in rows if row.epoch == end), None)

    return share


def _falls(rows: Sequence[KeptShareRow]) -> bool | None:
    steps = [after.kept_mean < before.kept_mean for before, after in itertools.pairwise(rows)]
    return all(steps) if steps else None


# Of the milestones of a search.
_KEPT_SHARES = (
    text("pair", lambda rows: Pair(rows[0].ranking, rows[0].allocation).label),
    text("method", lambda rows: rows[0].method),
    number("epochs", of=lambda rows: rows[0].epochs),
    number("searches", of=lambda rows: rows[-1].n),
    *(
        number(name, tenths, _at_quarter(quarter))
        for quarter, name in enumerate(("at 1/4", "at 1/2", "at 3/4", "at the end"), start=1)
    ),
    text("falls at every milestone", _falls),
)


def _tables(comparison: Comparison) -> Iterator[Table]:
    yield from _advantage_tables(comparison)
    yield from table_of(
        [one for one in _whole(comparison) if one.baseline == OTHER_PAIR],
        "pairs-against-each-other",
        "Pairs against each other",
        f"First - second, over the searches with networks of both. {DIFFERENCE_CAPTION}",
        _EACH_OTHER,
        "pairs.csv",
        attrgetter("place"),
    )
    searches = attrgetter("space", "data", "setting", "method", "epochs", "ranking", "allocation")
    yield from table_of(
        list(grouped(comparison.kept_shares, searches).values()),
        "kept-shares",
        "Kept share over the epochs of a search",
        "Percent of the channels that operations keep, mean over searches, at the milestones. If the share of a pair "
        "falls at every milestone, and falls further in longer searches, skip connections eventually refill all "
        "channels: such a pair is not a good default.",
        _KEPT_SHARES,
        "kept_shares.csv",
        itemgetter(0),
    )


def _whole(comparison: Comparison) -> list[PairComparison]:
    """Return the comparisons over all methods and budgets of a place."""
    return [one for one in comparison.pair_comparisons if one.method is None]


def _advantage_tables(comparison: Comparison) -> Iterator[Table]:
    """Yield a table per place with one row per pair, largest mean advantage over its control first."""
    labels = place_labels(comparison)
    for index, (place, compared) in enumerate(grouped(_whole(comparison), attrgetter("place")).items(), start=1):
        best_first = [*by_advantage(compared), *compared]
        rows = []
        for own in grouped(best_first, attrgetter("pair")).values():
            baselines = {one.baseline: one for one in own}
            rows.append(_Baselines(own[0], baselines.get(criterion(place)), baselines))
        yield Table(
            "pairs" if index == 1 else f"pairs-{index}",
            f"Pairs by their advantage over {criterion(place)}: {labels[place]}",
            "Test accuracy in percent over all methods and budgets of a place, and differences from the controls of "
            "the pair in percentage points with 95 % intervals, paired by search. The best pair has the largest mean "
            "advantage over its control random, which keeps as many channels of every edge, drawn at random. The table "
            "is sorted by this advantage, and p is its test. For looked-up networks, shuffled takes the place of "
            "random, which does not change plans that keep whole edges. Single methods and budgets are in pairs.csv.",
            _ADVANTAGE,
            rows,
        )


def _brief(comparison: Comparison) -> Iterator[Table]:
    """Yield a table of pairs by advantage over a control for each place with several pairs."""
    labels = place_labels(comparison)
    for place, rows in grouped(by_advantage(_whole(comparison)), attrgetter("place")).items():
        if len(rows) > 1:
            title = f"Pairs by their mean advantage over {criterion(place)}, paired by search: {labels[place]}"
            yield Table("pairs", title, "", _BRIEF, rows)


def _files(comparison: Comparison) -> tuple[RowFile, ...]:
    content = "every pair against its controls and other pairs"
    return (
        RowFile("pairs.csv", content, comparison.pair_comparisons, _FIELDS),
        RowFile("kept_shares.csv", "kept share per pair and milestone", comparison.kept_shares, KeptShareRow),
    )


PANEL = Panel(
    "pairs",
    "Pairs of rankers and rules",
    "Which pair of ranker and rule works best on the same checkpoints. Holm's correction covers all pairs for "
    "each control, and all differences between pairs.",
    "No pair has a control or another pair to compare with, and no channels were ranked.",
    tables=_tables,
    brief=_brief,
    files=_files,
)
