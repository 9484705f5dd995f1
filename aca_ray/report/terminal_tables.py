"""The few tables that a terminal shows, at most 120 columns wide.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.comparison import ALLOCATED, SEARCHED, Arm, Comparison, GroupComparison
from aca_ray.report.accuracy_tables import blocks
from aca_ray.report.formats import (
    clipped,
    count,
    decimal,
    difference_and_interval,
    integer,
    mean_and_sd,
    percent,
    pvalue,
    seconds,
    words,
)
from aca_ray.report.table import Cell, Column, Table

_LONGEST_METHOD, _LONGEST_RULE = 24, 26
_NAMES = (Column("method", "text"), Column("epochs"))


def terminal_tables(comparison: Comparison) -> list[Table]:
    """Return accuracy with differences, size and cost, and controls, place by place."""
    tables = []
    rule = f" (allocated: {comparison.main_rule.label})" if comparison.main_rule else ""
    for where, groups in blocks(comparison):
        tables += [
            _accuracy_table(f"Test accuracy of the final epoch in percent: {where}{rule}", groups),
            _size_table(f"Size and cost, means over seeds: {where}", groups),
        ]
        if any(group.controls for group in groups):
            tables.append(_control_table(f"Controls, test accuracy in percent: {where}", groups))
    return tables


def _accuracy_table(title: str, groups: Sequence[GroupComparison]) -> Table:
    names = ("n", SEARCHED, ALLOCATED, "difference [95 %]", "p", "p Holm", "p Wilcoxon")
    rows = tuple(
        (
            *_name_cells(group),
            Cell(f"{_n(group.searched)}/{_n(group.allocated)}"),
            mean_and_sd(group.searched.test_accuracy if group.searched else None),
            mean_and_sd(group.allocated.test_accuracy if group.allocated else None),
            difference_and_interval(group.difference),
            pvalue(group.difference.t_pvalue if group.difference else None),
            pvalue(group.holm_pvalue),
            pvalue(group.difference.wilcoxon_pvalue if group.difference else None),
        )
        for group in groups
    )
    return Table("accuracy", title, "", (*_NAMES, *map(Column, names)), rows)


def _size_table(title: str, groups: Sequence[GroupComparison]) -> Table:
    names = ("parameters", "MACs", "skips", "refilled %", "search s", "evaluation s")
    rows = tuple(
        (
            *_name_cells(group),
            words(name),
            count(arm.parameters),
            count(arm.macs),
            decimal(arm.num_skips, 1),
            percent(arm.refilled_share, 1),
            seconds(arm.search_seconds),
            seconds(arm.evaluation_seconds),
        )
        for group in groups
        for name, arm in group.arms
    )
    return Table("size", title, "", (*_NAMES, Column("networks", "text"), *map(Column, names)), rows)


def _control_table(title: str, groups: Sequence[GroupComparison]) -> Table:
    names = ("n", "accuracy", "parameters", "main - control [95 %]", "p")
    rows = tuple(
        (
            *_name_cells(group),
            words(clipped(control.rule.label, _LONGEST_RULE)),
            integer(control.arm.test_accuracy.n),
            mean_and_sd(control.arm.test_accuracy),
            count(control.arm.parameters),
            difference_and_interval(control.difference),
            pvalue(control.difference.t_pvalue if control.difference else None),
        )
        for group in groups
        for control in group.controls
    )
    return Table("controls", title, "", (*_NAMES, Column("control", "text"), *map(Column, names)), rows)


def _name_cells(group: GroupComparison) -> tuple[Cell, Cell]:
    return words(clipped(group.group.method, _LONGEST_METHOD)), integer(group.group.epochs)


def _n(arm: Arm | None) -> int:
    return arm.test_accuracy.n if arm else 0
