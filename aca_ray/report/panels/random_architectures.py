"""Whether the searches beat chance."""

from __future__ import annotations

from aca_ray.comparison import Comparison
from aca_ray.report.formats import count, mean_and_sd, number, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import tables_by_place
from aca_ray.report.table import Cell, Table
from aca_ray.report.tested import DIFFERENCE, DIFFERENCE_CAPTION, EPOCHS, METHOD


def _band(parameters: tuple[float, float]) -> Cell:
    low, high = (count(end).text for end in parameters)
    return Cell(low if parameters[0] == parameters[1] else f"{low} to {high}", parameters[0])


# Of a comparison.
_COLUMNS = (
    METHOD,
    EPOCHS,
    text("networks", "main"),
    number("random: accuracy", mean_and_sd, "baseline_arm.test_accuracy"),
    number("parameters", _band, "main_arm.parameter_range"),
    number("random: parameters", _band, "baseline_arm.parameter_range"),
    text("bands overlap", "bands_overlap"),
    *DIFFERENCE,
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    return tables_by_place(
        comparison,
        "random",
        "Methods - random architectures",
        "Random architectures of the same space and protocol. If the parameter bands do not overlap, size alone may "
        f"explain a difference. {DIFFERENCE_CAPTION}",
        _COLUMNS,
        (one for group in comparison.groups for one in group.random_baselines),
    )


PANEL = Panel(
    "random",
    "Random architectures",
    "A useful search beats random architectures from the same space.",
    "No random_search with the same protocol: it is unknown whether the searches beat chance.",
    tables=_tables,
)
