"""Tables of cost, of supernet accuracy against test accuracy, and of collapse."""

from __future__ import annotations

from typing import Any

from aca_ray.comparison import Comparison, CurveRow
from aca_ray.report.formats import count, decimal, integer, memory, percent, pvalue, seconds, words
from aca_ray.report.places import table_of
from aca_ray.report.table import Cell, Column, Table

_METHOD, _EPOCHS, _NETWORKS = Column("method", "text"), Column("epochs"), Column("networks", "text")


def cost_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table of the cost of every arm."""
    return table_of(
        comparison.costs,
        "cost",
        "Cost of every arm",
        "Means over search seeds. On the front: no arm of the same place and devices reaches at least the same "
        "accuracy in less total time of search, ranking and retraining. Compare seconds only between the same devices. "
        "Shared: retrainings copied from identical ones, which count 0 seconds.",
        (
            _METHOD,
            _EPOCHS,
            _NETWORKS,
            *map(Column, ("n", "accuracy", "search s", "ranking s", "retraining s", "shared")),
            Column("on the front", "text"),
            *map(Column, ("peak memory", "parameters", "MACs")),
            Column("search on", "text"),
            Column("retraining on", "text"),
        ),
        lambda row: (
            words(row.method),
            integer(row.epochs),
            words(row.networks),
            integer(row.n),
            percent(row.test_accuracy),
            seconds(row.search_seconds),
            seconds(row.ranking_seconds),
            seconds(row.evaluation_seconds),
            integer(row.num_shared),
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
    """Return the table of correlation between the accuracy of the supernet and that of the retrained network."""
    return table_of(
        comparison.correlations,
        "correlation",
        "Does the accuracy of the supernet predict that of the retrained network?",
        "Kendall's tau between search_valid accuracy at the last epoch and test accuracy of the retrained network, "
        "over seeds and budgets: 1 is the same order, 0 is no agreement, -1 the reverse order. No tau: fewer than 3 "
        "pairs, or all values tied.",
        (_METHOD, _NETWORKS, *map(Column, ("n", "Kendall's tau", "p"))),
        lambda row: (
            words(row.method),
            words(row.networks),
            integer(row.n),
            decimal(row.kendall_tau),
            pvalue(row.pvalue),
        ),
        "correlations.csv",
    )


def collapse_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table of the last epoch of every search, and that of the genotype changes of the lowest seeds."""
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
    return table_of(
        tuple(last.values()),
        "collapse",
        "Every search at its last epoch",
        "Signs of collapse: many skip connections and few parametric operations (those with weights), low entropy of "
        "the mixing weights, and a growing gap between search_train and search_valid accuracy. Churn: number of edges "
        "changed since the previous epoch; 0 means that the search has settled.",
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
    ) + table_of(
        changes,
        "genotypes",
        "Genotype changes",
        "Epochs at which the genotype changed, for the lowest seed of every method, policy and budget. Edges are "
        "written operation~input, joined by + within a node and | between nodes. All epochs of all seeds are in "
        "curves.parquet.",
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


def _yes(value: bool | None) -> Cell:
    return words({True: "yes", False: "no", None: None}[value])
