"""The comparison by one column as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter

from aca_ray.comparison import ColumnComparison
from aca_ray.comparison.by_column import Context
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.settings import setting_labels
from aca_ray.report.formats import interval, mean_and_sd, number, text
from aca_ray.report.table import Column, Table, to_text
from aca_ray.report.tested import BRIEF_DIFFERENCE


def by_column_text(compared: ColumnComparison) -> str:
    """Return two tables for every context: the values of the column, and the differences between them."""
    return "\n\n".join(to_text(table) for table in by_column_tables(compared)) + "\n"


def by_column_tables(compared: ColumnComparison) -> Iterator[Table]:
    """Yield the tables of `by_column_text`."""
    column = compared.column
    values = (
        text(column, lambda row: str(row.value)),
        number("n", of="arm.test_accuracy.n"),
        number("test accuracy", mean_and_sd, "arm.test_accuracy"),
        number("95 % interval", interval, lambda row: (row.arm.test_accuracy.low, row.arm.test_accuracy.high)),
        number("parameters", of="arm.parameters"),
    )
    differences: tuple[Column, ...] = (text("difference", "label"), *BRIEF_DIFFERENCE)
    by_context = grouped(compared.differences, attrgetter("context"))
    settings = setting_labels(row.context.group.setting for row in compared.rows)
    for index, (context, rows) in enumerate(grouped(compared.rows, attrgetter("context")).items(), start=1):
        where = _label(context, settings[context.group.setting])
        title = f"Test accuracy of the final epoch in percent by {column}: {where}"
        yield Table(f"by-{column}-{index}", title, "", values, rows)
        family = f" (Holm: over all {len(compared.differences)} differences by {column})"
        several = len(compared.differences) > 1
        title = f"Differences in percentage points, paired by seed{family if several else ''}"
        yield Table(f"by-{column}-{index}-differences", title, "", differences, by_context[context])


def _label(context: Context, setting: str) -> str:
    """Return in words what the networks of a context share."""
    group = context.group
    control = f" with control {context.control}" if context.control else ""
    pair = " of ".join(name for name in (context.allocation, context.ranking) if name)
    parts = (
        " ".join(filter(None, [group.method, context.networks, "networks"])),
        f"{pair}{control}",
        f"{group.epochs} search epochs" if group.epochs else "",
        " on ".join(filter(None, [group.space, group.data])),
        group.protocol if group.place.is_looked_up else f"protocol {group.protocol}" if group.protocol else "",
        setting,
    )
    return ", ".join(filter(None, parts))
