"""Tables of provenance, checklist and failed trials."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.comparison import Comparison, SweepRows
from aca_ray.report.formats import integer, words
from aca_ray.report.places import MOST_ROWS
from aca_ray.report.table import Column, Table


def provenance_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table of provenance, sweep by sweep."""
    rows = tuple((words(row.topic), words(row.value), words(row.sweep)) for row in comparison.provenance)
    columns = (Column("topic", "text"), Column("value", "prose"), Column("sweep", "text"))
    return _unless_empty(
        Table(
            "provenance",
            "Provenance of the numbers",
            "What is needed to reproduce the numbers, as recorded by every trial while it ran.",
            columns,
            rows,
        )
    )


def checklist_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return the table of the checklist."""
    rows = tuple((words(row.item), words(row.answer), words(row.evidence)) for row in comparison.checklist)
    columns = (Column("item", "prose"), Column("answer", "text"), Column("evidence", "prose"))
    return _unless_empty(
        Table(
            "checklist",
            "Checklist for experiments in architecture search",
            "Items of Lindauer & Hutter (JMLR 21(243), 2020), reworded and answered from the records; the others are "
            "for you to answer.",
            columns,
            rows,
        )
    )


def failure_tables(sweeps: Sequence[SweepRows]) -> tuple[Table, ...]:
    """Return the table of the trials that ended in an error."""
    failed = [(sweep.sweep, failure) for sweep in sweeps for failure in sweep.failed]
    rows = tuple(
        (
            words(failure.trial.get("method")),
            words(failure.kind),
            words(failure.trial.get("skip")),
            *(integer(failure.trial.get(name)) for name in ("epochs", "seed", "retrain_seed")),
            words(failure.error),
            words(sweep),
        )
        for sweep, failure in failed[:MOST_ROWS]
    )
    columns = (
        *(Column(name, "text") for name in ("method", "trial", "networks")),
        *map(Column, ("epochs", "seed", "retraining seed")),
        Column("error", "prose"),
        Column("sweep", "text"),
    )
    return _unless_empty(
        Table(
            "failed",
            "Failed trials",
            "These trials are in no other table; means without them may be too optimistic.",
            columns,
            rows,
            "" if len(failed) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(failed):,}.",
        )
    )


def _unless_empty(table: Table) -> tuple[Table, ...]:
    return (table,) if table.rows else ()
