"""Tables of searched, skip-free and allocated networks side by side, with the differences between them."""

from __future__ import annotations

from aca_ray.comparison import ALLOCATED, SEARCHED, SKIP_FREE, Arm, Comparison, GroupComparison
from aca_ray.report.accuracy_tables import (
    DIFFERENCE,
    DIFFERENCE_CAPTION,
    EPOCHS,
    METHOD,
    Rows,
    difference_cells,
    group_cells,
    per_block,
)
from aca_ray.report.formats import difference_and_interval, mean_and_sd, words
from aca_ray.report.table import Cell, Column, Table

ARM_NAMES = (SEARCHED, SKIP_FREE, ALLOCATED)


def arm_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables with one column per kind of networks and one per difference between them."""
    return per_block(
        comparison,
        "arms",
        "Searched, skip-free and allocated networks",
        "Test accuracy in percent, mean and standard deviation over search seeds, and differences in percentage points "
        "with 95 % intervals, paired by seed. Skip-free: searched without skip connections, nothing refilled. n: seeds "
        "of each of the three.",
        (
            METHOD,
            EPOCHS,
            *map(Column, ("n", *ARM_NAMES)),
            *(Column(difference.label) for difference in comparison.groups[0].differences),
        )
        if comparison.groups
        else (),
        lambda group: [
            (
                *group_cells(group),
                *arm_cells(group),
                *(difference_and_interval(each.difference) for each in group.differences),
            )
        ],
    )


def difference_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables of the tests of every difference between two kinds of networks of a group."""

    def rows(group: GroupComparison) -> Rows:
        for each in group.differences:
            if group.arm(each.main) and group.arm(each.baseline):
                cells = difference_cells(each.difference, each.holm_pvalue)
                yield (*group_cells(group), words(each.label), *cells)

    columns = (METHOD, EPOCHS, Column("networks", "text"), *DIFFERENCE)
    return per_block(comparison, "differences", "Differences and their tests", DIFFERENCE_CAPTION, columns, rows)


def arm_cells(group: GroupComparison) -> tuple[Cell, ...]:
    """Return the numbers of seeds in one cell, then mean and standard deviation of each kind of networks."""
    arms = [group.arm(name) for name in ARM_NAMES]
    accuracies = (mean_and_sd(arm.test_accuracy if arm else None) for arm in arms)
    return (Cell("/".join(str(_n(arm)) for arm in arms)), *accuracies)


def _n(arm: Arm | None) -> int:
    return arm.test_accuracy.n if arm else 0
