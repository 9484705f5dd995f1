"""Tables of channel allocation: stability of ranks, refilled channels, agreement of rankers."""

from __future__ import annotations

from typing import Any

from aca_ray.comparison import Comparison
from aca_ray.report.formats import decimal, integer, interval, percent, words
from aca_ray.report.places import table_of
from aca_ray.report.table import MISSING, Cell, Column, Table

_METHOD, _EPOCHS = Column("method", "text"), Column("epochs")


def stability_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table of agreement between the channel ranks of consecutive milestones."""
    return table_of(
        comparison.stability,
        "stability",
        "Stability of channel ranks between milestones",
        "Agreement with the previous milestone, mean and 95 % interval over seeds. Kendall's tau of the scores: 1 is "
        "the same order. Overlap of the kept channels (Jaccard, percent): 100 is the same channels.",
        (
            _METHOD,
            _EPOCHS,
            Column("ranking", "text"),
            *map(Column, ("milestone", "n", "Kendall's tau", "tau, 95 %", "overlap %", "overlap, 95 %")),
        ),
        lambda row: (
            words(row.method),
            integer(row.epochs),
            words(row.ranking),
            integer(row.epoch),
            integer(row.n),
            decimal(row.kendall_tau_mean),
            _tau_interval(row),
            percent(row.jaccard_mean, 1),
            interval(row.jaccard_low, row.jaccard_high),
        ),
        "stability.csv",
    )


def refill_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the tables of refilled channels at the last milestone: per stage, and per edge."""
    last: dict[tuple[Any, ...], int] = {}
    for row in comparison.refill:
        budget = (row.method, row.space, row.data, row.setting, row.epochs, row.ranking)
        last[budget] = max(row.epoch, last.get(budget, 0))
    rows = [
        row
        for row in comparison.refill
        if (row.ranking, row.allocation) == comparison.main_pair
        and row.epoch == last[row.method, row.space, row.data, row.setting, row.epochs, row.ranking]
    ]
    main = comparison.main_pair.label if comparison.main_pair else "no pair"
    caption = (
        f"Share of the channels that skip connections refill at the last milestone under {main}: mean and 95 % "
        "interval over the n seeds that keep the edge. All milestones and rules are in refill.csv."
    )
    names = (_METHOD, _EPOCHS, Column("ranking", "text"), Column("stage"))
    numbers = tuple(map(Column, ("n", "refilled %", "95 % interval")))

    def cells(row: Any) -> tuple[Cell, ...]:
        return (
            words(row.method),
            integer(row.epochs),
            words(row.ranking),
            integer(row.stage),
            *(() if row.edge is None else (words(row.edge),)),
            integer(row.n),
            percent(row.refilled_mean, 1),
            interval(row.refilled_low, row.refilled_high),
        )

    stages = [row for row in rows if row.edge is None]
    edges = [row for row in rows if row.edge is not None]
    file, edge_columns = "refill.csv", (*names, Column("edge", "text"), *numbers)
    return (
        *table_of(stages, "refill", "Refilled channels per stage", caption, names + numbers, cells, file),
        *table_of(edges, "refill-edges", "Refilled channels per edge", caption, edge_columns, cells, file),
    )


def ranker_agreement_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table of agreement between rankers on the same searches."""
    return table_of(
        comparison.ranker_agreement,
        "rankers",
        "Agreement between rankers",
        "Kendall's tau between the scores of two rankers on the same searches, mean and 95 % interval over n searches: "
        "1 is the same order, 0 is no agreement.",
        (
            _METHOD,
            _EPOCHS,
            Column("ranker A", "text"),
            Column("ranker B", "text"),
            *map(Column, ("milestone", "n", "Kendall's tau", "95 % interval")),
        ),
        lambda row: (
            words(row.method),
            integer(row.epochs),
            words(row.ranking_a),
            words(row.ranking_b),
            integer(row.epoch),
            integer(row.n),
            decimal(row.kendall_tau_mean),
            _tau_interval(row),
        ),
        "ranker_agreement.csv",
    )


def _tau_interval(row: Any) -> Cell:
    low, high = row.kendall_tau_low, row.kendall_tau_high
    return Cell(MISSING) if low is None or high is None else Cell(f"[{low:.2f}, {high:.2f}]", low)
