"""Tables of accuracy: arms, variance components, controls, random baseline; and the parts that these tables share.

Source: Lindauer & Hutter 2020 and Bouthillier et al. 2021 for the columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from aca_ray.comparison import Arm, Comparison, GroupComparison, PairedDifference, SeedMean
from aca_ray.report.formats import (
    count,
    decimal,
    integer,
    interval,
    mean_and_sd,
    percent,
    pvalue,
    signed_percent,
    words,
)
from aca_ray.report.places import setting_labels
from aca_ray.report.table import MISSING, Cell, Column, Table

METHOD, EPOCHS, NETWORKS = Column("method", "text"), Column("epochs"), Column("networks", "text")
DIFFERENCE = tuple(
    map(
        Column,
        (
            "pairs",
            "difference",
            "95 % interval",
            "p (t)",
            "p (Holm)",
            "p (Wilcoxon)",
            "P(A > B)",
            "effect size",
            "detectable",
        ),
    )
)
DIFFERENCE_CAPTION = (
    "Percentage points of test accuracy at the final epoch, paired by search seed; an interval that contains 0 means "
    "no significant difference. P(A > B): share of seeds where the first is better. Effect size: mean divided by "
    "standard deviation. Detectable: true difference that this number of pairs finds with 80 % power."
)

Rows = Iterable[tuple[Cell, ...]]


def blocks(comparison: Comparison) -> Iterator[tuple[str, tuple[GroupComparison, ...]]]:
    """Yield each place, in words, with its groups, which are comparable with each other."""
    labels = setting_labels({group.group.setting for group in comparison.groups})
    for _, members in groupby(comparison.groups, key=lambda group: group.group[:4]):
        groups = tuple(members)
        first = groups[0].group
        yield ", ".join(filter(None, [first.place, labels[first.setting]])), groups


def accuracy_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables of the accuracy of every arm."""
    return per_block(
        comparison,
        "accuracy",
        "Test accuracy in percent",
        "Mean, standard deviation and interval over n search seeds at the final epoch; retrainings of the same search "
        "are averaged first. The worst seed is the risk of a single run. The best seed and the best epoch are chosen "
        "on the test set, hence optimistic, and are not results. A t interval of few seeds may exceed 100.",
        (
            METHOD,
            EPOCHS,
            NETWORKS,
            *map(Column, ("n", "retrainings", "final epoch: mean", "sd", "95 % interval")),
            Column("interval by", "text"),
            *map(Column, ("worst seed", "best seed (not a result)", "best epoch: mean (optimistic)")),
        ),
        lambda group: [_arm_cells(group, name, arm) for name, arm in group.arms],
    )


def variance_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables of the variance components of every arm with several retrainings of the same search."""
    return per_block(
        comparison,
        "variance",
        "Variance between searches and between retrainings",
        "Standard deviation of test accuracy in percentage points between searches, and between retrainings of the "
        "same search (one-way random effects). Dash: only one search, or no search retrained twice.",
        (METHOD, EPOCHS, NETWORKS, *map(Column, ("searches", "retrainings", "sd of searches", "sd of retrainings"))),
        lambda group: [
            (
                *group_cells(group),
                words(name),
                integer(arm.variance.num_searches),
                integer(arm.variance.num_retrainings),
                percent(arm.variance.between_sd),
                percent(arm.variance.within_sd),
            )
            for name, arm in group.arms
            if arm.variance is not None
        ],
    )


def control_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables of the main pair against its controls."""
    return per_block(
        comparison,
        "controls",
        "Allocated - controls",
        f"The main pair against its plan as changed by each control. {DIFFERENCE_CAPTION}",
        (
            METHOD,
            EPOCHS,
            Column("control", "text"),
            Column("of", "text"),
            *map(Column, ("n", "accuracy", "parameters")),
            *DIFFERENCE,
        ),
        lambda group: [
            (
                *group_cells(group),
                words(control.control),
                words(control.pair.label),
                integer(control.arm.test_accuracy.n),
                mean_and_sd(control.arm.test_accuracy),
                count(control.arm.parameters),
                *difference_cells(control.difference, control.holm_pvalue),
            )
            for control in group.controls
        ],
    )


def random_baseline_tables(comparison: Comparison) -> tuple[Table, ...]:
    """Return tables of every method against random architectures of the same space and protocol."""
    return per_block(
        comparison,
        "random",
        "Methods - random architectures",
        "Random architectures of the same space and protocol. If the parameter bands do not overlap, size alone may "
        f"explain a difference. {DIFFERENCE_CAPTION}",
        (
            METHOD,
            EPOCHS,
            NETWORKS,
            Column("random: accuracy"),
            Column("parameters"),
            Column("random: parameters"),
            Column("bands overlap", "text"),
            *DIFFERENCE,
        ),
        lambda group: [
            (
                *group_cells(group),
                words(random.networks),
                mean_and_sd(random.baseline.test_accuracy),
                _band(random.parameters),
                _band(random.baseline_parameters),
                words("yes" if random.bands_overlap else "no"),
                *difference_cells(random.difference, random.holm_pvalue),
            )
            for random in group.random_baselines
        ],
    )


def per_block(
    comparison: Comparison,
    key: str,
    title: str,
    caption: str,
    columns: tuple[Column, ...],
    rows: Callable[[GroupComparison], Rows],
) -> tuple[Table, ...]:
    """Return one table per place with at least one row."""
    tables: list[Table] = []
    for where, groups in blocks(comparison):
        cells = tuple(row for group in groups for row in rows(group))
        if cells:
            name = f"{key}-{len(tables) + 1}" if tables else key
            tables.append(Table(name, f"{title}: {where}", caption, columns, cells))
    return tuple(tables)


def group_cells(group: GroupComparison) -> tuple[Cell, Cell]:
    """Return the cells that identify a group within its place."""
    return words(group.group.method), integer(group.group.epochs)


def _arm_cells(group: GroupComparison, name: str, arm: Arm) -> tuple[Cell, ...]:
    accuracy = arm.test_accuracy
    return (
        *group_cells(group),
        words(name),
        integer(accuracy.n),
        integer(arm.num_evaluations),
        percent(accuracy.mean),
        percent(accuracy.sd),
        interval(accuracy.low, accuracy.high),
        words(accuracy.interval),
        _seed_cell(arm.worst),
        _seed_cell(arm.best),
        percent(arm.best_test_accuracy.mean),
    )


def _seed_cell(seed: SeedMean) -> Cell:
    return Cell(f"{percent(seed.test_accuracy).text} (seed {seed.seed})", seed.test_accuracy)


def _band(parameters: tuple[float, float]) -> Cell:
    low, high = parameters
    return Cell(count(low).text if low == high else f"{count(low).text} to {count(high).text}", low)


def difference_cells(difference: PairedDifference | None, holm_pvalue: float | None) -> tuple[Cell, ...]:
    """Return the cells of the columns in DIFFERENCE."""
    if difference is None:
        return (integer(0), *[Cell(MISSING)] * (len(DIFFERENCE) - 1))
    return (
        integer(difference.n),
        signed_percent(difference.mean),
        interval(difference.low, difference.high, signed=True),
        pvalue(difference.t_pvalue),
        pvalue(holm_pvalue),
        pvalue(difference.wilcoxon_pvalue),
        decimal(difference.superiority),
        decimal(difference.effect_size),
        percent(difference.detectable),
    )
