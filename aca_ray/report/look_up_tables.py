"""Table of accuracy, regret and rank of the cells found, looked up in a benchmark.

Source: Dong & Yang 2020 for regret and rank.
"""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.comparison import SweepRows, look_up_arms
from aca_ray.report.formats import decimal, integer, percent, words
from aca_ray.report.places import table_of
from aca_ray.report.table import Cell, Column, Table


def look_up_tables(sweeps: Sequence[SweepRows]) -> tuple[Table, ...]:
    """Return the table of accuracy, regret and rank of every arm."""
    return table_of(
        look_up_arms(sweeps),
        "look-ups",
        "Accuracy, regret and rank of the cells found",
        "Cells of the last search epoch, means over n search seeds (accuracy with standard deviation). Regret: "
        "percentage points below the best cell of the table. Rank: 1 is the best cell of the table; cells of equal "
        "accuracy share the better rank. Peak: highest mean over seeds at any looked-up epoch, unknown to the search.",
        (
            Column("method", "text"),
            Column("epochs"),
            Column("networks", "text"),
            *map(Column, ("n", "accuracy %", "lowest %", "regret", "rank", "peak %", "peak epoch")),
        ),
        lambda row: (
            words(row.method),
            integer(row.epochs),
            words(row.networks),
            integer(row.n),
            _mean_and_sd(row.accuracy, row.accuracy_sd),
            percent(row.lowest_accuracy),
            percent(row.regret),
            decimal(row.rank, 0),
            percent(row.peak_accuracy),
            integer(row.peak_epoch),
        ),
        "look_ups.csv",
    )


def _mean_and_sd(mean: float, sd: float | None) -> Cell:
    return percent(mean) if sd is None else Cell(f"{percent(mean).text} ± {percent(sd).text}", mean)
