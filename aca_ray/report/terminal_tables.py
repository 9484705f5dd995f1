"""Tables for a terminal, at most 120 columns wide."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from aca_ray.comparison import ArmDifference, Comparison, Group, GroupComparison, by_advantage
from aca_ray.report.accuracy_tables import blocks
from aca_ray.report.arm_tables import ARM_NAMES, arm_cells
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

_LONGEST_METHOD, _LONGEST_PAIR = 20, 40
_NAMES = (Column("method", "text"), Column("epochs"))


def terminal_tables(comparison: Comparison) -> list[Table]:
    """Return tables of accuracy, differences, size and cost, and controls, place by place, then tables of pairs."""
    tables = []
    for where, groups in blocks(comparison):
        pair = f" (allocated: {groups[0].pair.label})" if groups[0].pair else ""
        tables.append(_accuracy_table(f"Test accuracy of the final epoch in percent: {where}{pair}", groups))
        if any(_pairs_of_arms(group) for group in groups):
            tables.append(_difference_table(f"Differences in percentage points, paired by seed: {where}", groups))
        tables.append(_size_table(f"Size and cost, means over seeds: {where}", groups))
        if any(group.controls for group in groups):
            tables.append(_control_table(f"Controls, test accuracy in percent: {where}", groups))
    return tables + _pair_tables(comparison)


def _accuracy_table(title: str, groups: Sequence[GroupComparison]) -> Table:
    rows = tuple((*_name_cells(group), *arm_cells(group)) for group in groups)
    return Table("accuracy", title, "", (*_NAMES, *map(Column, ("n", *ARM_NAMES))), rows)


def _difference_table(title: str, groups: Sequence[GroupComparison]) -> Table:
    rows = tuple(
        (
            *_name_cells(group),
            words(each.label),
            integer(each.difference.n if each.difference else 0),
            difference_and_interval(each.difference),
            pvalue(each.difference.t_pvalue if each.difference else None),
            pvalue(each.holm_pvalue),
            pvalue(each.difference.wilcoxon_pvalue if each.difference else None),
            decimal(each.difference.effect_size if each.difference else None),
        )
        for group in groups
        for each in _pairs_of_arms(group)
    )
    names = ("n", "difference [95 %]", "p", "p Holm", "Wilcoxon", "effect")
    return Table("differences", title, "", (*_NAMES, Column("networks", "text"), *map(Column, names)), rows)


def _pairs_of_arms(group: GroupComparison) -> list[ArmDifference]:
    return [each for each in group.differences if group.arm(each.main) and group.arm(each.baseline)]


def _size_table(title: str, groups: Sequence[GroupComparison]) -> Table:
    names = ("parameters", "MACs", "skips", "refilled %", "search s", "retraining s")
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
    names = ("n", "accuracy", "parameters", "allocated - control", "p")
    rows = tuple(
        (
            *_name_cells(group),
            words(control.control),
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


def _pair_tables(comparison: Comparison) -> list[Table]:
    """Return a table of pairs by advantage over a control for each place with several pairs."""
    rows: dict[str, list[tuple[Cell, ...]]] = defaultdict(list)
    for one in by_advantage(one for one in comparison.pair_comparisons if one.method is None):
        place = Group(one.space, one.data, one.setting, one.protocol, "", 0).place
        rows[f"Pairs by their mean advantage over {one.baseline}, paired by search: {place}"].append(
            (
                words(clipped(one.pair.label, _LONGEST_PAIR)),
                integer(one.difference.n if one.difference else 0),
                percent(one.accuracy),
                percent(1.0 - one.refilled_share, 1),
                percent(one.baseline_accuracy),
                difference_and_interval(one.difference),
                pvalue(one.holm_pvalue),
            )
        )
    names = ("n", "accuracy", "kept %", "control", "pair - control", "p Holm")
    columns = (Column("pair", "text"), *map(Column, names))
    return [Table("pairs", title, "", columns, tuple(cells)) for title, cells in rows.items() if len(cells) > 1]
