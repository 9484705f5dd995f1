"""Whether the variance comes from the search or from retraining."""

from __future__ import annotations

from aca_ray.comparison import Comparison
from aca_ray.report.formats import number, percent, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import tables_by_place
from aca_ray.report.table import Table
from aca_ray.report.tested import EPOCHS, METHOD

# Of an arm.
_COLUMNS = (
    METHOD,
    EPOCHS,
    text("networks"),
    number("searches", of="variance.num_searches"),
    number("retrainings", of="variance.num_retrainings"),
    number("sd of searches", percent, "variance.between_sd"),
    number("sd of retrainings", percent, "variance.within_sd"),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    return tables_by_place(
        comparison,
        "variance",
        "Variance between searches and between retrainings",
        "Standard deviation of test accuracy in percentage points between searches, and between retrainings of the "
        "same search (one-way random effects). Dash: only one search, or no search retrained twice.",
        _COLUMNS,
        (arm for group in comparison.groups for arm in group.arms.values() if arm.variance is not None),
    )


PANEL = Panel(
    "variance",
    "Search seeds and retraining seeds",
    "How much of the variance comes from the search and how much from retraining. To shorten the intervals, "
    "add seeds to the larger source.",
    "No search was retrained with several seeds, so the two sources of variance cannot be separated.",
    tables=_tables,
)
