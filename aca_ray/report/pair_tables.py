"""Tables of pairs of rankers and rules: advantage over controls, pairs against each other, kept shares over epochs."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from aca_ray.comparison import (
    OTHER_PAIR,
    SKIP_FREE,
    Comparison,
    Group,
    KeptShareRow,
    Pair,
    PairComparison,
    by_advantage,
    criterion,
)
from aca_ray.report.accuracy_tables import DIFFERENCE, DIFFERENCE_CAPTION, difference_cells
from aca_ray.report.formats import count, difference_and_interval, integer, percent, pvalue, words
from aca_ray.report.places import setting_labels, table_of
from aca_ray.report.table import Cell, Column, Table

_QUARTERS = 4  # of a search: the kept share is shown at the end of each
_PAIR = Column("pair", "text")
_CONTROLS = ("random", "uniform", "shuffled", SKIP_FREE)


def pair_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables of pairs by advantage, of pairs against each other, and of kept shares over search epochs."""
    return (
        *_advantage_tables(comparison),
        *_against_each_other(comparison),
        *_kept_share_tables(comparison),
    )


def _advantage_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return a table per place with one row per pair, largest mean advantage over its control first."""
    places: dict[tuple[str, ...], list[PairComparison]] = defaultdict(list)
    for one in comparison.pair_comparisons:
        if one.method is None:
            places[one.space, one.data, one.setting, one.protocol].append(one)
    settings = setting_labels({one.setting for one in comparison.pair_comparisons})
    return tuple(
        _advantage_table(f"pairs-{number}" if number > 1 else "pairs", settings, compared)
        for number, compared in enumerate(places.values(), start=1)
    )


def _advantage_table(key: str, settings: Mapping[str, str], compared: Sequence[PairComparison]) -> Table:
    found: dict[Pair, dict[str, PairComparison]] = defaultdict(dict)
    for one in compared:
        found[one.pair][one.baseline] = one
    ordered = dict.fromkeys([*(one.pair for one in by_advantage(compared)), *found])
    first = compared[0]
    group = Group(first.space, first.data, first.setting, first.protocol, "", 0)
    where = ", ".join(filter(None, [group.place, settings[first.setting]]))

    def cells(baselines: Mapping[str, PairComparison]) -> tuple[Cell, ...]:
        one = next(iter(baselines.values()))
        test = baselines.get(criterion(one.protocol))
        return (
            words(one.pair.label),
            integer(one.n),
            percent(one.accuracy),
            percent(1.0 - one.refilled_share, 1),
            count(one.parameters),
            *(
                difference_and_interval(each.difference if (each := baselines.get(name)) else None)
                for name in _CONTROLS
            ),
            pvalue(test.difference.t_pvalue if test and test.difference else None),
            pvalue(test.holm_pvalue if test else None),
        )

    return Table(
        key,
        f"Pairs by their advantage over {criterion(first.protocol)}: {where}",
        "Test accuracy in percent over all methods and budgets of a place, and differences from the controls of the "
        "pair in percentage points with 95 % intervals, paired by search. The best pair has the largest mean "
        "advantage over its control random, which keeps as many channels of every edge, drawn at random. The table is "
        "sorted by this advantage, and p is its test. For looked-up networks, shuffled takes the place of random, "
        "which does not change plans that keep whole edges. Single methods and budgets are in pairs.csv.",
        (
            _PAIR,
            *map(Column, ("searches", "accuracy", "kept %", "parameters")),
            *(Column(f"pair - {name}") for name in _CONTROLS),
            *map(Column, ("p (t)", "p (Holm)")),
        ),
        tuple(cells(found[pair]) for pair in ordered),
    )


def _against_each_other(comparison: Comparison) -> tuple[Table, ...]:
    return table_of(
        [one for one in comparison.pair_comparisons if one.method is None and one.baseline == OTHER_PAIR],
        "pairs-against-each-other",
        "Pairs against each other",
        f"First - second, over the searches with networks of both. {DIFFERENCE_CAPTION}",
        (_PAIR, Column("other pair", "text"), Column("accuracy"), Column("other: accuracy"), *DIFFERENCE),
        lambda one: (
            words(one.pair.label),
            words(one.other.label if one.other else None),
            percent(one.accuracy),
            percent(one.baseline_accuracy),
            *difference_cells(one.difference, one.holm_pvalue),
        ),
        "pairs.csv",
    )


def _kept_share_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table of kept shares at the end of every quarter of a search, per pair, method and budget."""
    searches = [
        list(rows)
        for _, rows in itertools.groupby(
            comparison.kept_shares,
            key=lambda row: (row.space, row.data, row.setting, row.method, row.epochs, row.ranking, row.allocation),
        )
    ]
    by_first = {id(rows[0]): rows for rows in searches}

    def cells(first: KeptShareRow) -> tuple[Cell, ...]:
        rows = by_first[id(first)]
        shares = {row.epoch: row.kept_mean for row in rows}
        ends = [math.ceil(first.epochs * quarter / _QUARTERS) for quarter in range(1, _QUARTERS + 1)]
        return (
            words(f"{first.allocation} of {first.ranking}"),
            words(first.method),
            integer(first.epochs),
            integer(rows[-1].n),
            *(percent(shares.get(end), 1) for end in ends),
            words(_falls(rows)),
        )

    return table_of(
        [rows[0] for rows in searches],
        "kept-shares",
        "Kept share over the epochs of a search",
        "Percent of the channels that operations keep, mean over searches, at the milestones. If the share of a pair "
        "falls at every milestone, and falls further in longer searches, skip connections eventually refill all "
        "channels: such a pair is not a good default.",
        (
            _PAIR,
            Column("method", "text"),
            *map(Column, ("epochs", "searches", "at 1/4", "at 1/2", "at 3/4", "at the end")),
            Column("falls at every milestone", "text"),
        ),
        cells,
        "kept_shares.csv",
    )


def _falls(rows: Sequence[KeptShareRow]) -> str | None:
    shares = [row.kept_mean for row in rows]
    if len(shares) == 1:
        return None
    return "yes" if all(after < before for before, after in itertools.pairwise(shares)) else "no"
