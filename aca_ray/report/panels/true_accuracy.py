"""How good the cells of every search epoch are, according to a benchmark's table.

Plots have one panel per method, one thin line per seed, and one thick line per kind of networks for the mean over
seeds. Every seed is shown, as Lindauer & Hutter 2020 recommend.

Source: Dong & Yang 2020 for regret and rank.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator
from numpy.typing import NDArray

from aca_ray.comparison import Comparison, LookUpRow
from aca_ray.comparison.look_ups import LookUpArm, LookUpPlace, look_up_arms, look_up_curves, mean_curve
from aca_ray.comparison.settings import setting_labels
from aca_ray.report.colors import COLORS, GRAY
from aca_ray.report.figures import MARKERS, PANELS_IN_A_ROW, Plot, panel_figure, plot_of
from aca_ray.report.formats import number, percent, text, with_sd
from aca_ray.report.panel import Panel
from aca_ray.report.places import table_of
from aca_ray.report.row_files import RowFile
from aca_ray.report.table import Table

_PANEL = (5.6, 3.9)  # inches
_HANDLE, _LETTER = 0.7, 0.07  # inches that an entry of the legend takes: its line, and a letter of its label
_MOST_PLOTS = 8
_MOST_POINTS = 200  # of a line: more are not visible and would take megabytes
_TICKS = (10, 20, 30, 40, 50, 60, 70, 80, 85, 90, 92, 93, 94, 95, 96, 97, 98, 99)
# Searched cells in a warm color, skip-free ones in a cold one, then those of the rules.
_ORDER = (1, 0, 2, 3, 4, 5, 6)
_SPARSE = 0.5  # of the epochs: curves with fewer points get markers


class _Look(NamedTuple):
    """Line style and marker of a kind of networks."""

    color: str
    line: Literal["-", "--"]
    marker: str


Arms = Mapping[str, Sequence[Sequence[LookUpRow]]]

# Of a looked-up arm.
_COLUMNS = (
    text("method"),
    number("epochs"),
    text("networks"),
    number("n"),
    number("accuracy %", with_sd, lambda arm: (arm.accuracy, arm.accuracy_sd)),
    number("lowest %", percent, "lowest_accuracy"),
    number("regret", percent),
    number("rank"),
    number("peak %", percent, "peak_accuracy"),
    number("peak epoch", of="peak_epoch"),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    return table_of(
        look_up_arms(comparison.rows.look_ups),
        "look-ups",
        "Accuracy, regret and rank of the cells found",
        "Cells of the last search epoch, means over n search seeds (accuracy with standard deviation). Regret: "
        "percentage points below the best cell of the table. Rank: 1 is the best cell of the table; cells of equal "
        "accuracy share the better rank. Peak: highest mean over seeds at any looked-up epoch, unknown to the search.",
        _COLUMNS,
        "look_ups.csv",
    )


def _plots(comparison: Comparison) -> Iterator[Plot]:
    """Yield one plot of true accuracy over search epochs per place and budget."""
    found = look_up_curves(comparison.rows.look_ups)
    labels = setting_labels({place.setting for place in found})
    left_out = len(found) - _MOST_PLOTS
    more = f" Not drawn: {left_out} more; their rows are in look_up_curves.csv." if left_out > 0 else ""
    for index, (place, methods) in enumerate(list(found.items())[:_MOST_PLOTS], start=1):
        yield _plot(f"true_accuracy_{index}", place, labels[place.setting], methods, more)


def _plot(name: str, place: LookUpPlace, setting: str, methods: Mapping[str, Arms], more: str) -> Plot:
    rows = [row for arms in methods.values() for curves in arms.values() for curve in curves for row in curve]
    best, all_skips, size = rows[0].table_best, rows[0].table_all_skips, rows[0].table_architectures
    low, high = _limits(methods, best, all_skips)
    missing = sum(row.accuracy is None for row in rows)
    cut_off = any(row.accuracy is not None and 100 * row.accuracy < low for row in rows)
    where = ", ".join(filter(None, [f"{place.space} on {place.data}", f"{place.epochs} epochs", setting]))
    return plot_of(
        _figure(methods, (low, high), best, all_skips, size),
        name,
        f"True accuracy over search epochs: {where}",
        f"Test accuracy of the cell of every search epoch according to {place.protocol}. Thin lines are search seeds, "
        "thick lines their mean; allocation rules have cells only at milestones. The axis is logarithmic in the error"
        f"{'; lower values of early epochs are cut off' if cut_off else ''}. Data: look_up_curves.csv."
        + (f" The table lacks {missing:,} of {len(rows):,} cells, which appear as gaps." if missing else "")
        + more,
    )


def _figure(
    methods: Mapping[str, Arms], limits: tuple[float, float], best: float, all_skips: float | None, size: int
) -> Figure:
    kinds = list(dict.fromkeys(networks for arms in methods.values() for networks in arms))
    kinds.sort(key=lambda networks: (networks != "searched", networks != "skip-free", networks))
    sparse = {networks for arms in methods.values() for networks, curves in arms.items() if _is_sparse(curves)}
    handles = []
    for index, networks in enumerate(kinds):
        color, line, marker = _look(index)
        marker = marker if networks in sparse else "None"
        handles.append(Line2D([], [], color=color, linestyle=line, marker=marker, linewidth=2.4, label=networks))
    width = _PANEL[0] * min(len(methods), PANELS_IN_A_ROW)
    columns = max(1, min(len(handles), int(width / (_HANDLE + _LETTER * max(map(len, kinds))))))
    below = 0.3 + 0.22 * -(-len(handles) // columns)
    figure, grid = panel_figure(list(methods), _PANEL, below)
    low, high = limits
    for index, (axes, arms) in enumerate(zip(grid, methods.values(), strict=True)):
        axes.set_yscale("function", functions=(_stretched, _unstretched))
        axes.set_ylim(low, high)
        axes.yaxis.set_major_locator(FixedLocator([tick for tick in _TICKS if low <= tick <= high]))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        for networks, curves in arms.items():
            _draw(axes, curves, kinds.index(networks))
        _reference(axes, 100 * best, f"best of {size:,} cells: {100 * best:.2f}", above=True)
        if all_skips is not None:
            _reference(axes, 100 * all_skips, f"only skip connections: {100 * all_skips:.2f}", above=False)
        axes.set_xlabel("search epoch")
        if index % PANELS_IN_A_ROW == 0:
            axes.set_ylabel("true test accuracy (%)")
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return figure


def _draw(axes: Axes, curves: Sequence[Sequence[LookUpRow]], kind: int) -> None:
    look = _look(kind)
    marker = look.marker if _is_sparse(curves) else "None"
    for curve in curves:
        values = [np.nan if row.accuracy is None else 100 * row.accuracy for row in curve]
        x, y = _thinned([row.epoch for row in curve], values)
        axes.plot(x, y, color=look.color, linewidth=0.9, alpha=0.5, zorder=2, marker=marker, markersize=3.5)
    mean = mean_curve(curves)
    x, y = _thinned([epoch for epoch, _ in mean], [100 * accuracy for _, accuracy in mean])
    marker = look.marker if len(x) == 1 else marker
    axes.plot(x, y, color=look.color, linestyle=look.line, linewidth=2.4, zorder=3, marker=marker, markersize=6)


def _is_sparse(curves: Sequence[Sequence[LookUpRow]]) -> bool:
    return all(len(curve) < _SPARSE * curve[-1].epoch for curve in curves)


def _look(kind: int) -> _Look:
    """Return the look of a kind of networks, by its index."""
    color, marker = COLORS[_ORDER[kind % len(COLORS)]], MARKERS[kind % len(MARKERS)]
    return _Look(color, "-" if kind < len(COLORS) else "--", marker)


def _thinned(x: Sequence[int], y: Sequence[float]) -> tuple[list[int], list[float]]:
    shown = np.unique(np.linspace(0, len(x) - 1, _MOST_POINTS).round().astype(int))
    return [x[index] for index in shown], [y[index] for index in shown]


def _reference(axes: Axes, value: float, text: str, *, above: bool) -> None:
    axes.axhline(value, color=GRAY, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1)
    axes.annotate(
        text,
        (1.0, value),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3 if above else -3),
        textcoords="offset points",
        ha="right",
        va="bottom" if above else "top",
        fontsize=8,
        color=GRAY,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
        zorder=4,
    )


def _files(comparison: Comparison) -> tuple[RowFile, ...]:
    rows = comparison.rows.look_ups
    return (
        RowFile("look_ups.csv", "looked-up accuracy, regret and rank of every arm", look_up_arms(rows), LookUpArm),
        RowFile("look_up_curves.csv", "looked-up accuracy of the cell of every search epoch", rows, LookUpRow),
    )


def _limits(methods: Mapping[str, Arms], best: float, all_skips: float | None) -> tuple[float, float]:
    """Return the limits of the axis, in percent: it contains both references and the second half of every curve.

    The first epochs of a search derive random cells, as low as 10 %, which would flatten the rest of the curves.
    """
    late = [
        100 * row.accuracy
        for arms in methods.values()
        for curves in arms.values()
        for curve in curves
        for row in curve
        if row.accuracy is not None and 2 * row.epoch > curve[-1].epoch
    ]
    lowest = min([*late, *([] if all_skips is None else [100 * all_skips])])
    error = 100 - lowest
    return max(0.0, 100 - 1.15 * error), 100 - 0.92 * 100 * (1 - best)


def _stretched(accuracy: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.log(np.maximum(100 - np.asarray(accuracy, dtype=float), 1e-3))


def _unstretched(value: NDArray[np.float64]) -> NDArray[np.float64]:
    return 100 - np.exp(-np.asarray(value, dtype=float))


PANEL = Panel(
    "true-accuracy",
    "True accuracy over search epochs",
    "The cell of every search epoch, looked up in the table of a benchmark. A falling curve is a collapse. The "
    "accuracies come from the benchmark's own training, not from networks trained in this sweep. The table has no "
    "networks that divide channels between operation and skip connection.",
    "",
    tables=_tables,
    plots=_plots,
    files=_files,
)
