"""Whether the ranking matters, at equal size."""

from __future__ import annotations

from aca_ray.comparison import Comparison
from aca_ray.report.formats import count, difference_and_interval, mean_and_sd, number, pvalue, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import tables_by_place
from aca_ray.report.table import Table
from aca_ray.report.tested import BRIEF_METHOD, DIFFERENCE, DIFFERENCE_CAPTION, EPOCHS, METHOD

# Of a comparison.
_CONTROL = (
    number("n", of="baseline_arm.test_accuracy.n"),
    number("accuracy", mean_and_sd, "baseline_arm.test_accuracy"),
    number("parameters", count, "baseline_arm.parameters"),
)
_COLUMNS = (METHOD, EPOCHS, text("control"), text("of", "pair.label"), *_CONTROL, *DIFFERENCE)
_BRIEF_COLUMNS = (
    BRIEF_METHOD,
    EPOCHS,
    text("control"),
    *_CONTROL,
    number("allocated - control", difference_and_interval, "difference"),
    number("p", pvalue, "difference.t_pvalue"),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    caption = f"The main pair against its plan as changed by each control. {DIFFERENCE_CAPTION}"
    controls = (control for group in comparison.groups for control in group.controls)
    return tables_by_place(comparison, "controls", "Allocated - controls", caption, _COLUMNS, controls)


def _brief(comparison: Comparison) -> tuple[Table, ...]:
    controls = (control for group in comparison.groups for control in group.controls)
    title = "Controls, test accuracy in percent"
    return tables_by_place(comparison, "controls", title, "", _BRIEF_COLUMNS, controls)


PANEL = Panel(
    "controls",
    "Controls",
    "Networks of the same searches and the same size with a changed channel plan: random draws the channels of "
    "every edge, uniform keeps the same share on every edge, shuffled permutes the shares among edges. The "
    "remaining difference is due to the ranking.",
    "No network of a control (experiment.controls in the spec) has finished yet.",
    tables=_tables,
    brief=_brief,
)
