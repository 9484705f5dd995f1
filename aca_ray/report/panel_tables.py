"""Tables of the panels: cost, collapse, stability of channel ranks, refilled channels, agreement of rankers.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aca_ray.comparison import Comparison, CurveRow
from aca_ray.report.formats import (
    count,
    decimal,
    integer,
    interval,
    memory,
    percent,
    seconds,
    words,
)
from aca_ray.report.places import place_columns
from aca_ray.report.table import MISSING, Cell, Column, Table

# A page stays readable and small: what is beyond is in the files.
MOST_ROWS = 200

Row = TypeVar("Row")
_METHOD, _EPOCHS, _NETWORKS = Column("method", "text"), Column("epochs"), Column("networks", "text")


def cost_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return what every arm costs."""
    return _table(
        comparison.costs,
        "cost",
        "Cost of every arm",
        "Means over search seeds. On the front: no arm of the same place and devices has at least its accuracy for "
        "less time of search, ranking and retraining together. Seconds compare only where the devices are the same.",
        (
            _METHOD,
            _EPOCHS,
            _NETWORKS,
            *map(Column, ("n", "accuracy", "search s", "ranking s", "retraining s")),
            Column("on the front", "text"),
            *map(Column, ("peak memory", "parameters", "MACs")),
            Column("search on", "text"),
            Column("retraining on", "text"),
        ),
        lambda row: (
            words(row.method),
            integer(row.epochs),
            words(row.skip),
            integer(row.n),
            percent(row.test_accuracy),
            seconds(row.search_seconds),
            seconds(row.ranking_seconds),
            seconds(row.evaluation_seconds),
            _yes(row.on_front),
            memory(row.peak_bytes),
            count(row.parameters),
            count(row.macs),
            words(row.search_device),
            words(row.evaluation_device),
        ),
        "costs.csv",
    )


def correlation_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return how far the supernet's accuracy foretells that of the retrained network."""
    return _table(
        comparison.correlations,
        "correlation",
        "Does the accuracy of the supernet foretell that of the retrained network?",
        "Kendall's tau between search_valid accuracy at the last epoch and test accuracy after retraining, over "
        "seeds and budgets: 1 is the same order, 0 none, below 0 the reverse. No tau: fewer than 3 pairs, or all tied.",
        (_METHOD, _NETWORKS, *map(Column, ("n", "Kendall's tau", "p"))),
        lambda row: (
            words(row.method),
            words(row.skip),
            integer(row.n),
            decimal(row.kendall_tau),
            decimal(row.pvalue, 3),
        ),
        "correlations.csv",
    )


def collapse_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the last epoch of every search, and the genotype wherever it changed, of the lowest seeds."""
    last: dict[str, CurveRow] = {}
    changes: list[CurveRow] = []
    genotypes: dict[str, str] = {}
    lowest: dict[tuple[Any, ...], int] = {}
    for row in comparison.collapse:
        last[row.search] = row
        kind = (row.space, row.data, row.setting, row.method, row.skip, row.epochs)
        lowest[kind] = min(row.seed, lowest.get(kind, row.seed))
        if row.seed == lowest[kind] and row.genotype is not None and genotypes.get(row.search) != row.genotype:
            genotypes[row.search] = row.genotype
            changes.append(row)
    names = ("seed", "epoch")
    return _table(
        tuple(last.values()),
        "collapse",
        "Every search at its last epoch",
        "A collapse is a cell of many skips and few parametric operations (with weights), low entropy of the mixing "
        "weights, and a gap between the accuracy on search_train and search_valid that grows. Churn: edges that "
        "differ from the epoch before; 0 is a search that has settled.",
        (
            _METHOD,
            _EPOCHS,
            _NETWORKS,
            *map(Column, (*names, "skips", "parametric", "entropy", "churn", "search_valid %", "gap")),
        ),
        lambda row: (
            words(row.method),
            integer(row.epochs),
            words(row.skip),
            integer(row.seed),
            integer(row.epoch),
            integer(row.skip_count),
            integer(row.parametric_count),
            decimal(row.entropy, 3),
            integer(row.churn),
            percent(row.search_valid_accuracy),
            percent(row.generalization_gap),
        ),
        "curves.parquet",
    ) + _table(
        changes,
        "genotypes",
        "The genotype by epoch",
        "The epochs at which the genotype changed, for the lowest seed of every method, policy and budget: operation~"
        "input, joined by + within a node and | between nodes. All epochs of all seeds are in curves.parquet.",
        (_METHOD, _EPOCHS, _NETWORKS, *map(Column, names), Column("genotype", "prose")),
        lambda row: (
            words(row.method),
            integer(row.epochs),
            words(row.skip),
            integer(row.seed),
            integer(row.epoch),
            words(row.genotype),
        ),
        "curves.parquet",
    )


def stability_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return how far channel ranks hold from milestone to milestone."""
    return _table(
        comparison.stability,
        "stability",
        "Do the channel ranks of a milestone hold at the next?",
        "Agreement with the milestone before, mean and 95 % interval over seeds. Kendall's tau of the scores: 1 is the "
        "same order. Overlap of the kept channels (Jaccard, percent): 100 is the same channels.",
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
    """Return where skips refill channels at the last milestone: per stage, and per edge."""
    last: dict[tuple[Any, ...], int] = {}
    for row in comparison.refill:
        budget = (row.method, row.space, row.data, row.setting, row.epochs, row.ranking)
        last[budget] = max(row.epoch, last.get(budget, 0))
    rows = [
        row
        for row in comparison.refill
        if row.allocation == comparison.main_allocation
        and row.epoch == last[row.method, row.space, row.data, row.setting, row.epochs, row.ranking]
    ]
    caption = (
        f"Share of the channels that a skip connection refills at the last milestone by the rule "
        f"{comparison.main_allocation}: mean and 95 % interval over the n seeds that keep the edge. All milestones and "
        "rules are in refill.csv."
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
        *_table(stages, "refill", "Refilled channels per stage", caption, names + numbers, cells, file),
        *_table(edges, "refill-edges", "Refilled channels per edge", caption, edge_columns, cells, file),
    )


def ranker_agreement_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return how far two rankers agree on the same searches."""
    return _table(
        comparison.ranker_agreement,
        "rankers",
        "Do two rankers see the same channels?",
        "Kendall's tau between the scores of two rankers on the same searches, mean and 95 % interval over the n "
        "searches: 1 is the same order, 0 none.",
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


def _table(
    rows: Sequence[Row],
    key: str,
    title: str,
    caption: str,
    columns: tuple[Column, ...],
    cells: Callable[[Row], tuple[Cell, ...]],
    file: str,
) -> tuple[Table, ...]:
    """Return a table of the first rows, with columns for what differs between their places; none of no rows."""
    if not rows:
        return ()
    places, place_cells = place_columns(rows)
    shown = tuple((*cells(row), *place_cells(row)) for row in rows[:MOST_ROWS])
    more = "" if len(rows) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(rows):,} rows; all are in {file}."
    return (Table(key, title, caption, columns + places, shown, more),)


def _tau_interval(row: Any) -> Cell:
    low, high = row.kendall_tau_low, row.kendall_tau_high
    return Cell(MISSING) if low is None or high is None else Cell(f"[{low:.2f}, {high:.2f}]", low)


def _yes(value: bool | None) -> Cell:
    return words({True: "yes", False: "no", None: None}[value])
