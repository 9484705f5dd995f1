"""Which trials failed."""

from __future__ import annotations

from aca_ray.comparison import Comparison
from aca_ray.report.formats import number, prose, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import MOST_ROWS
from aca_ray.report.table import Table

# Of a sweep's name and a failed trial.
_COLUMNS = (
    text("method", lambda row: row[1].trial.get("method")),
    text("trial", lambda row: row[1].kind),
    text("networks", lambda row: row[1].trial.get("skip")),
    number("epochs", of=lambda row: row[1].trial.get("epochs")),
    number("seed", of=lambda row: row[1].trial.get("seed")),
    number("retraining seed", of=lambda row: row[1].trial.get("retrain_seed")),
    prose("error", lambda row: row[1].error),
    text("sweep", lambda row: row[0]),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    rows = [(sweep.sweep, failure) for sweep in comparison.sweeps for failure in sweep.failed]
    table = Table(
        "failed",
        "Failed trials",
        "These trials are in no other table; means without them may be too optimistic.",
        _COLUMNS,
        rows[:MOST_ROWS],
        "" if len(rows) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(rows):,}.",
    )
    return (table,) if rows else ()


PANEL = Panel(
    "failed",
    "Failed trials",
    "Trials that ended in an error and are missing from the tables above.",
    "No trial has failed.",
    tables=_tables,
)
