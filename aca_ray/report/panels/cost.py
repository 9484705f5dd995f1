"""What every accuracy costs.

Accuracy is shown at equal cost, as Lindauer & Hutter 2020 recommend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from aca_ray.comparison import ALLOCATED, SEARCHED, SKIP_FREE, Comparison, Place
from aca_ray.comparison.arms import Arm, SeedMean
from aca_ray.comparison.costs import Cost
from aca_ray.comparison.grouping import grouped
from aca_ray.report.figures import MANY_POINTS, Plot, filling, looks_of, panel_figure, plot_of
from aca_ray.report.formats import count, decimal, memory, number, percent, seconds, tenths, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import table_of, tables_by_place
from aca_ray.report.row_files import FileColumn, RowFile, file_columns
from aca_ray.report.table import Table
from aca_ray.report.tested import BRIEF_METHOD, EPOCHS

_PANEL = (5.6, 3.9)  # inches
_MEAN_MARKS = {SEARCHED: "+", SKIP_FREE: "x", ALLOCATED: "P"}


def _search_device(cost: Cost) -> str | None:
    return ", ".join(cost.arm.search_devices) or None


def _retraining_device(cost: Cost) -> str | None:
    return ", ".join(cost.arm.retraining_devices) or None


# Of a cost, and of an arm.
_COLUMNS = (
    text("method", "arm.group.method"),
    number("epochs", of="arm.group.epochs"),
    text("networks", "arm.networks"),
    number("n", of="arm.test_accuracy.n"),
    number("accuracy", percent, "arm.test_accuracy.mean"),
    number("search s", seconds, "arm.search_seconds"),
    number("ranking s", seconds, "arm.ranking_seconds"),
    number("retraining s", seconds, "arm.retraining_seconds"),
    number("shared", of="arm.num_shared"),
    text("on the front", "on_front"),
    number("peak memory", memory, "arm.peak_bytes"),
    number("parameters", count, "arm.parameters"),
    number("MACs", count, "arm.macs"),
    text("search on", _search_device),
    text("retraining on", _retraining_device),
)
_FIELDS = {
    "method": FileColumn(str, "arm.group.method"),
    "networks": FileColumn(str, "arm.networks"),
    **file_columns(str, Place._fields, "arm.group"),
    "epochs": FileColumn(int, "arm.group.epochs"),
    "n": FileColumn(int, "arm.test_accuracy.n"),
    **file_columns(float, ("search_seconds", "ranking_seconds", "retraining_seconds"), "arm"),
    "num_shared": FileColumn(int, "arm.num_shared"),
    "search_device": FileColumn(str, _search_device),
    "retraining_device": FileColumn(str, _retraining_device),
    **file_columns(float, ("peak_bytes", "parameters", "macs"), "arm"),
    "test_accuracy": FileColumn(float, "arm.test_accuracy.mean"),
    "on_front": FileColumn(bool, "on_front"),
}
_BRIEF_COLUMNS = (
    BRIEF_METHOD,
    EPOCHS,
    text("networks"),
    number("parameters", count),
    number("MACs", count, "macs"),
    number("skips", lambda value: decimal(value, 1), "num_skips"),
    number("refilled %", tenths, "refilled_share"),
    number("search s", seconds, "search_seconds"),
    number("retraining s", seconds, "retraining_seconds"),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    return table_of(
        comparison.costs,
        "cost",
        "Cost of every arm",
        "Means over search seeds. On the front: no arm of the same place and devices reaches at least the same "
        "accuracy in less total time of search, ranking and retraining. Compare seconds only between the same devices. "
        "Shared: retrainings copied from identical ones, which count 0 seconds.",
        _COLUMNS,
        "costs.csv",
        attrgetter("arm.group"),
    )


def _brief(comparison: Comparison) -> tuple[Table, ...]:
    arms = (arm for group in comparison.groups for arm in group.arms.values())
    return tables_by_place(comparison, "size", "Size and cost, means over seeds", "", _BRIEF_COLUMNS, arms)


def _plots(comparison: Comparison) -> Iterator[Plot]:
    arms = [arm for group in comparison.groups for arm in group.arms.values()]
    priced = [cost.arm for cost in comparison.costs if cost.seconds is not None]
    reading = (
        "Every point is a search seed. Hollow: searched. Half filled: skip-free. Filled: allocated. Crosses are the "
        "means of arms. "
    )
    if arms:
        yield plot_of(
            _figure(comparison, arms, attrgetter("parameters"), "parameters"),
            "accuracy_parameters",
            "Test accuracy against parameters",
            f"{reading}Up is better, left is smaller.",
        )
    if priced:
        yield plot_of(
            _figure(comparison, priced, _seconds, "seconds of search, ranking and one retraining"),
            "accuracy_cost",
            "Test accuracy against cost",
            f"{reading}Up is better, left is cheaper. Compare seconds only between the same devices. Arms of unknown "
            "time, or with retrainings copied from identical ones, are left out.",
        )


def _seconds(seed: SeedMean) -> float | None:
    if seed.search_seconds is None:
        return None
    return seed.search_seconds + (seed.ranking_seconds or 0.0) + seed.retraining_seconds


def _figure(
    comparison: Comparison, every: Sequence[Arm], value: Callable[[SeedMean], float | None], x_label: str
) -> Figure:
    """Return a figure of test accuracy against a value of every seed of some arms, with one panel per place."""
    panels = grouped(every, lambda arm: arm.group.place.label)
    looks = looks_of(comparison)
    figure, grid = panel_figure(list(panels), _PANEL)
    for axes, arms in zip(grid, panels.values(), strict=True):
        for arm in arms:
            points = [(x, 100 * seed.test_accuracy) for seed in arm.seeds if (x := value(seed)) is not None]
            if not points:
                continue
            xs, ys = zip(*points, strict=True)
            look = looks[arm.group.method]
            axes.plot(
                xs,
                ys,
                linestyle="none",
                marker=look.marker,
                markersize=5,
                **filling(arm.networks, look.color),
                alpha=0.8,
                rasterized=len(points) > MANY_POINTS,
            )
            axes.plot(sum(xs) / len(xs), sum(ys) / len(ys), marker=_MEAN_MARKS[arm.networks], color=look.color, ms=9)
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_formatter(EngFormatter())
        axes.set_ylabel("test accuracy, final epoch (%)")
    handles = [
        Line2D([], [], linestyle="none", color=looks[method].color, marker=looks[method].marker, label=method)
        for method in sorted({arm.group.method for arm in every})
    ]
    columns = max(1, int(figure.get_figwidth() / 1.9))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return figure


PANEL = Panel(
    "cost",
    "Cost",
    "Seconds, memory and network size behind every accuracy, and which arms are on the Pareto front.",
    "No network has finished yet.",
    tables=_tables,
    plots=_plots,
    brief=_brief,
    files=lambda comparison: [RowFile("costs.csv", "cost of every arm", comparison.costs, _FIELDS)],
)
