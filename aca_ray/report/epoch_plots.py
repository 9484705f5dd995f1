"""Plots over search epochs, which reveal collapse: test accuracy, skip connections, refilled channels.

A method has the same color and marker in all plots. Every seed is a point, as Lindauer & Hutter 2020 recommend; lines
connect the means over seeds.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from aca_ray.comparison import ALLOCATED, SEARCHED, Comparison, SweepRows
from aca_ray.report.figures import (
    LINES,
    LINES_AND_MARKS,
    MANY_POINTS,
    PANELS_IN_A_ROW,
    Look,
    Plot,
    filling,
    panel_figure,
    plot_of,
)

_PANEL = (5.6, 3.6)  # inches
_MAX_TICKS = 12
_CHARACTER_WIDTH, _HANDLE_WIDTH = 0.075, 0.6  # inches, of a legend entry


class Series(NamedTuple):
    """Identity of a line; `label` distinguishes lines that differ in setting or sweep."""

    method: str
    networks: str
    label: str


class Point(NamedTuple):
    """One seed at one number of search epochs."""

    epoch: int
    value: float


Panels = dict[str, dict[Series, list[Point]]]


def epoch_plots(sweeps: Sequence[SweepRows], comparison: Comparison, looks: Mapping[str, Look]) -> list[Plot]:
    """Return the plots for which there are rows.

    test_accuracy: final test accuracy over the number of search epochs, one line per method and kind of networks.
    skips: skip connections in the derived genotype at every epoch, for searches with skip connections.
    refilled: share of the channels that the main pair refills at every milestone, for searches without them.
    """
    plots = []
    if accuracy := _accuracy_panels(comparison):
        figure = _figure(accuracy, looks, "search epochs", "test accuracy, final epoch (%)")
        plots.append(
            plot_of(
                figure,
                "test_accuracy",
                "Test accuracy over search epochs",
                "Every point is a search seed (the mean over its retrainings); lines connect the means over seeds. "
                f"{LINES_AND_MARKS}",
            )
        )
    if skips := _skip_panels(sweeps):
        figure = _figure(skips, looks, "epoch of the search", "skip connections in the genotype", share_y=True)
        figure.axes[0].yaxis.set_major_locator(MaxNLocator(integer=True))
        plots.append(
            plot_of(
                figure,
                "skips",
                "Skip connections over the epochs of searched cells",
                "Number of edges, over both cells, that would be skip connections if the search ended at that epoch. "
                "A line that climbs toward all edges is a collapse.",
            )
        )
    if refilled := _refilled_panels(sweeps, comparison):
        figure = _figure(refilled, looks, "epoch of the search", "channels refilled by skips (%)", share_y=True)
        plots.append(
            plot_of(
                figure,
                "refilled",
                "Refilled channels over the epochs of searches without skips",
                "Share of all channels that the main pair refills by skip connections, at every milestone. "
                "Every point is a seed.",
            )
        )
    return plots


def _accuracy_panels(comparison: Comparison) -> Panels:
    panels: Panels = defaultdict(lambda: defaultdict(list))
    for group in comparison.groups:
        for networks, arm in group.arms:
            series = Series(group.group.method, networks, group.group.setting)
            for seed in arm.seeds:
                panels[group.group.place][series].append(Point(group.group.epochs, 100 * seed.test_accuracy))
    return panels


def _skip_panels(sweeps: Iterable[SweepRows]) -> Panels:
    panels: Panels = defaultdict(lambda: defaultdict(list))
    rows = [row for sweep in sweeps for row in sweep.curves if row.skip == SEARCHED and row.skip_count is not None]
    for row in sorted(rows, key=lambda row: (row.space, row.data, row.epochs, row.epoch, row.seed)):
        title = f"{row.space} on {row.data}, search of {row.epochs} epochs"
        series = Series(row.method, SEARCHED, f"{row.sweep} {row.setting}")
        panels[title][series].append(Point(row.epoch, row.skip_count or 0.0))
    return panels


def _refilled_panels(sweeps: Iterable[SweepRows], comparison: Comparison) -> Panels:
    panels: Panels = defaultdict(lambda: defaultdict(list))
    rows = [
        row for sweep in sweeps for row in sweep.allocations if (row.ranking, row.allocation) == comparison.main_pair
    ]
    for row in sorted(rows, key=lambda row: (row.space, row.data, row.epochs, row.ranking, row.epoch, row.seed)):
        title = f"{row.space} on {row.data}, search of {row.epochs} epochs, {row.allocation} of {row.ranking}"
        series = Series(row.method, ALLOCATED, f"{row.sweep} {row.setting}")
        panels[title][series].append(Point(row.epoch, 100 * row.refilled_share))
    return panels


def _methods(panels: Panels) -> set[str]:
    return {series.method for panel in panels.values() for series in panel}


def _figure(panels: Panels, looks: Mapping[str, Look], x_label: str, y_label: str, share_y: bool = False) -> Figure:
    """Return a figure with one panel per title, in order, and a common legend below."""
    handles = _legend_handles(panels, looks)
    width = _PANEL[0] * min(len(panels), PANELS_IN_A_ROW)
    legend_columns = _legend_columns([str(handle.get_label()) for handle in handles], width)
    legend_height = 0.3 + 0.22 * -(-len(handles) // legend_columns)
    figure, grid = panel_figure(list(panels), _PANEL, legend_height, share_y=share_y)
    for axes, panel in zip(grid, panels.values(), strict=True):
        _draw_panel(axes, panel, looks)
        axes.set_xlabel(x_label)
    for axes in grid[::PANELS_IN_A_ROW]:
        axes.set_ylabel(y_label)
    figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns, frameon=False, fontsize=9)
    return figure


def _draw_panel(axes: Axes, panel: dict[Series, list[Point]], looks: Mapping[str, Look]) -> None:
    epochs = sorted({point.epoch for points in panel.values() for point in points})
    # Points at all epochs of long curves would be unreadable: about as many epochs get points as the axis has ticks.
    dotted = set(epochs[:: -(-len(epochs) // _MAX_TICKS)]) | {epochs[-1]}
    step = _step(sorted(dotted), len(panel))
    for index, series in enumerate(sorted(panel, key=_order)):
        shift = (index - (len(panel) - 1) / 2) * step
        look = looks[series.method]
        by_epoch: dict[int, list[float]] = defaultdict(list)
        for point in panel[series]:
            by_epoch[point.epoch].append(point.value)
        x = [epoch + shift for epoch in sorted(by_epoch)]
        means = [sum(by_epoch[epoch]) / len(by_epoch[epoch]) for epoch in sorted(by_epoch)]
        axes.plot(x, means, color=look.color, linestyle=LINES[series.networks], linewidth=1.8, zorder=2)
        if len(x) == 1:  # a line of one point is invisible
            axes.plot(x, means, color=look.color, marker="_", markersize=22, markeredgewidth=1.8, zorder=2)
        points = _side_by_side([point for point in panel[series] if point.epoch in dotted], 0.3 * step)
        axes.plot(
            [x + shift for x, _ in points],
            [value for _, value in points],
            linestyle="none",
            marker=look.marker,
            markersize=5,
            markeredgewidth=1.1,
            **filling(series.networks, look.color),
            alpha=0.8,
            zorder=3,
            rasterized=len(points) > MANY_POINTS,
        )
    if len(epochs) <= _MAX_TICKS:
        axes.set_xticks(epochs)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)


def _order(series: Series) -> tuple[str, int, str]:
    return series.method, list(LINES).index(series.networks), series.label


def _step(epochs: Sequence[int], num_series: int) -> float:
    """Return the horizontal distance, in epochs, between points of adjacent lines: visible, but within the epoch."""
    extent = max(2, epochs[-1] - epochs[0])
    gap = min((after - before for before, after in itertools.pairwise(epochs)), default=1)
    return min(0.018 * extent if len(epochs) > 1 else 0.1, 0.5 * gap / num_series)


def _side_by_side(points: Sequence[Point], distance: float) -> list[tuple[float, float]]:
    """Return the positions of the points, with equal points moved slightly apart so that each is visible."""
    positions = []
    for point, count in Counter(points).items():
        positions += [(point.epoch + (i - (count - 1) / 2) * distance, point.value) for i in range(count)]
    return positions


def _legend_handles(panels: Panels, looks: Mapping[str, Look]) -> list[Line2D]:
    """Return the legend: methods by color and marker, and line styles if there are several kinds of networks."""
    drawn = {series.networks for panel in panels.values() for series in panel}
    kinds = [networks for networks in LINES if networks in drawn]
    handles = [
        Line2D(
            [],
            [],
            color=looks[method].color,
            linestyle=LINES[kinds[-1]],
            marker=looks[method].marker,
            **filling(kinds[-1], looks[method].color),
            markersize=5,
            linewidth=1.8,
            label=method,
        )
        for method in sorted(_methods(panels))
    ]
    if len(kinds) > 1:
        handles += [
            Line2D(
                [],
                [],
                color="black",
                linestyle=LINES[networks],
                marker="o",
                **filling(networks, "black"),
                label=networks,
            )
            for networks in kinds
        ]
    return handles


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Return the number of columns of a legend `width` inches wide."""
    if sum(_HANDLE_WIDTH + _CHARACTER_WIDTH * len(label) for label in labels) <= width:
        return len(labels)
    return max(1, int(width / (_HANDLE_WIDTH + _CHARACTER_WIDTH * max(map(len, labels)))))
