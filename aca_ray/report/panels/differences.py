"""Whether leaving skip connections out helps, and whether refilling channels does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from itertools import chain
from typing import Any

from aca_ray.comparison import Comparison, Place
from aca_ray.comparison.arms import Means
from aca_ray.comparison.groups import DIFFERENCES, ArmComparison
from aca_ray.report.formats import difference_and_interval, number, text
from aca_ray.report.panel import Panel
from aca_ray.report.panels.accuracy import ARMS
from aca_ray.report.places import tables_by_place
from aca_ray.report.row_files import FileColumn, RowFile, file_columns
from aca_ray.report.table import Column, Table, value_of
from aca_ray.report.tested import (
    BRIEF_DIFFERENCE,
    BRIEF_METHOD,
    DIFFERENCE,
    DIFFERENCE_CAPTION,
    DIFFERENCE_FIELDS,
    EPOCHS,
    METHOD,
)


def _difference_column(main: str, baseline: str) -> Column:
    return number(
        f"{main} - {baseline}", difference_and_interval, lambda group: group.difference(main, baseline).difference
    )


# Of a group, and of a comparison.
_SIDE_BY_SIDE = (METHOD, EPOCHS, *ARMS, *(_difference_column(main, baseline) for main, baseline in DIFFERENCES))
_COLUMNS = (METHOD, EPOCHS, text("networks", "label"), *DIFFERENCE)
_BRIEF_COLUMNS = (BRIEF_METHOD, EPOCHS, text("networks", "label"), *BRIEF_DIFFERENCE)

# Of an arm: name, type and place of every value.
ARM_FIELDS: Mapping[str, tuple[type, str]] = {
    "n": (int, "test_accuracy.n"),
    "num_networks": (int, "num_networks"),
    "mean": (float, "test_accuracy.mean"),
    "sd": (float, "test_accuracy.sd"),
    "low": (float, "test_accuracy.low"),
    "high": (float, "test_accuracy.high"),
    "interval": (str, "test_accuracy.interval"),
    "worst": (float, "worst.test_accuracy"),
    "worst_seed": (int, "worst.seed"),
    "best": (float, "best.test_accuracy"),
    "best_seed": (int, "best.seed"),
    "best_epoch_mean": (float, "best_test_accuracy.mean"),
    "between_sd": (float, "variance.between_sd"),
    "within_sd": (float, "variance.within_sd"),
    **{field.name: (float, field.name) for field in fields(Means)},
    "peak_bytes": (float, "peak_bytes"),
}


def _arm_fields(prefix: str) -> dict[str, FileColumn]:
    """Return the columns of `main` or `baseline`; the counts of a missing arm are 0, its other values None."""

    def of(name: str, place: str) -> Callable[[Any], Any]:
        missing = 0 if name in {"n", "num_networks"} else None
        return lambda one: value_of(arm, place) if (arm := getattr(one, f"{prefix}_arm")) else missing

    return {f"{prefix}_{name}": FileColumn(kind, of(name, place)) for name, (kind, place) in ARM_FIELDS.items()}


# Of a comparison: accuracies and shares as fractions. `best` is the best seed, never the result of an arm.
COMPARISON_FIELDS = {
    **file_columns(str, (*Place._fields, "method"), "group"),
    "epochs": FileColumn(int, "group.epochs"),
    "main_networks": FileColumn(str, "main"),
    "baseline": FileColumn(str, "baseline"),
    "baseline_control": FileColumn(str, "control"),
    "main_ranking": FileColumn(str, "pair.ranking"),
    "main_allocation": FileColumn(str, "pair.allocation"),
    **_arm_fields("main"),
    **_arm_fields("baseline"),
    **DIFFERENCE_FIELDS,
}


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    return (
        *tables_by_place(
            comparison,
            "arms",
            "Searched, skip-free and allocated networks",
            "Test accuracy in percent, mean and standard deviation over search seeds, and differences in percentage "
            "points with 95 % intervals, paired by seed. Skip-free: searched without skip connections, nothing "
            "refilled. n: seeds of each of the three.",
            _SIDE_BY_SIDE,
            comparison.groups,
        ),
        *tables_by_place(
            comparison,
            "differences",
            "Differences and their tests",
            DIFFERENCE_CAPTION,
            _COLUMNS,
            _with_both_arms(comparison),
        ),
    )


def _brief(comparison: Comparison) -> tuple[Table, ...]:
    title = "Differences in percentage points, paired by seed"
    return tables_by_place(comparison, "differences", title, "", _BRIEF_COLUMNS, _with_both_arms(comparison))


def _with_both_arms(comparison: Comparison) -> list[ArmComparison]:
    every = chain.from_iterable(group.differences for group in comparison.groups)
    return [one for one in every if one.main_arm and one.baseline_arm]


def _files(comparison: Comparison) -> tuple[RowFile, ...]:
    every = chain.from_iterable(group.comparisons for group in comparison.groups)
    rows = [one for one in every if one.main_arm or one.baseline_arm]
    content = "every method against every baseline: means, intervals, tests"
    return (
        RowFile("comparison.csv", content, rows, COMPARISON_FIELDS),
        RowFile("comparison.parquet", "the same as Parquet", rows, COMPARISON_FIELDS),
    )


PANEL = Panel(
    "differences",
    "Searched, skip-free, allocated",
    "Skip-free - searched: does leaving skip connections out of the search help? Allocated - searched: is the "
    "whole method better than the plain one? Allocated - skip-free: does refilling help? A difference is "
    "significant if its interval excludes 0 and its p-value after Holm's correction is below 0.05.",
    "No method has two kinds of networks yet.",
    tables=_tables,
    brief=_brief,
    files=_files,
)
