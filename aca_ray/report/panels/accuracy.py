"""How accurate every method is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from aca_ray.comparison import NETWORKS, Comparison, NetworkRow
from aca_ray.comparison.arms import SeedMean
from aca_ray.report.figures import LINES_AND_MARKS, Plot, looks_of, plot_of
from aca_ray.report.findings import what_allocated_means
from aca_ray.report.formats import interval, mean_and_sd, number, percent, text, words
from aca_ray.report.panel import Panel
from aca_ray.report.places import tables_by_place
from aca_ray.report.row_files import RowFile
from aca_ray.report.seed_lines import Point, seed_lines
from aca_ray.report.table import Cell, Column, Table, value_of
from aca_ray.report.tested import BRIEF_METHOD, EPOCHS, METHOD


def _seed(seed: SeedMean) -> Cell:
    return Cell(f"{percent(seed.test_accuracy).text} (seed {seed.seed})", seed.test_accuracy)


def _arm_column(networks: str) -> Column:
    return number(networks, mean_and_sd, lambda group: value_of(group.arms.get(networks), "test_accuracy"))


# Of an arm.
_COLUMNS = (
    METHOD,
    EPOCHS,
    text("networks"),
    number("n", of="test_accuracy.n"),
    number("retrainings", of="num_networks"),
    number("final epoch: mean", percent, "test_accuracy.mean"),
    number("sd", percent, "test_accuracy.sd"),
    number("95 % interval", interval, lambda arm: (arm.test_accuracy.low, arm.test_accuracy.high)),
    text("interval by", "test_accuracy.interval"),
    number("worst seed", _seed, "worst"),
    number("best seed (not a result)", _seed, "best"),
    number("best epoch: mean (optimistic)", percent, "best_test_accuracy.mean"),
)
# Of a group: the numbers of seeds in one cell, then every kind of networks.
ARMS = (
    number(
        "n",
        words,
        lambda group: "/".join(str(value_of(group.arms.get(name), "test_accuracy.n") or 0) for name in NETWORKS),
    ),
    *map(_arm_column, NETWORKS),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    return tables_by_place(
        comparison,
        "accuracy",
        "Test accuracy in percent",
        "Mean, standard deviation and interval over n search seeds at the final epoch; retrainings of the same search "
        "are averaged first. The worst seed is the risk of a single run. The best seed and the best epoch are chosen "
        "on the test set, hence optimistic, and are not results. A t interval of few seeds may exceed 100.",
        _COLUMNS,
        (arm for group in comparison.groups for arm in group.arms.values()),
    )


def _plots(comparison: Comparison) -> Iterator[Plot]:
    points = [
        Point(arm.group.place.label, arm.group.method, networks, arm.group.setting, arm.group.epochs, 100 * accuracy)
        for group in comparison.groups
        for networks, arm in group.arms.items()
        for accuracy in (seed.test_accuracy for seed in arm.seeds)
    ]
    figure = seed_lines(points, looks_of(comparison), "search epochs", "test accuracy, final epoch (%)")
    if figure is not None:
        yield plot_of(
            figure,
            "test_accuracy",
            "Test accuracy over search epochs",
            "Every point is a search seed (the mean over its retrainings); lines connect the means over seeds. "
            f"{LINES_AND_MARKS}",
        )


def _brief(comparison: Comparison) -> Iterator[Table]:
    title = "Test accuracy of the final epoch in percent"
    columns = (BRIEF_METHOD, EPOCHS, *ARMS)
    for table in tables_by_place(comparison, "accuracy", title, "", columns, comparison.groups):
        pair = table.rows[0].pair
        yield replace(table, title=f"{table.title} (allocated: {pair.label})") if pair else table


def _files(comparison: Comparison) -> tuple[RowFile, ...]:
    rows = comparison.rows.networks
    return (
        RowFile("networks.csv", "every retrained or looked-up network", rows, NetworkRow),
        RowFile("networks.parquet", "the same as Parquet", rows, NetworkRow),
    )


def _reading(comparison: Comparison) -> str:
    meaning = f" Allocated means {what_allocated_means(comparison)}." if comparison.main_pair else ""
    return (
        "Test accuracy of every method with three kinds of cells: as searched, without skip connections "
        f"(skip-free), and with channels refilled by skip connections (allocated).{meaning}"
    )


PANEL = Panel(
    "accuracy",
    "Accuracy",
    _reading,
    "No network has finished yet.",
    tables=_tables,
    plots=_plots,
    brief=_brief,
    files=_files,
)
