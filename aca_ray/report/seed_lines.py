"""Lines over search epochs: one per method and kind of networks, with a point per seed.

Every seed is a point, as Lindauer & Hutter 2020 recommend; lines connect the means over seeds.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from aca_ray.comparison.grouping import grouped
from aca_ray.report.figures import LINES, MANY_POINTS, PANELS_IN_A_ROW, Look, filling, panel_figure

_PANEL = (5.6, 3.6)  # inches
_MAX_TICKS = 12
_CHARACTER_WIDTH, _HANDLE_WIDTH = 0.075, 0.6  # inches, of a legend entry


class Point(NamedTuple):
    """One seed at one number of search epochs.

    Attributes:
        panel: title of the panel; panels come in the order of their first points.
        method: method, which has a color and a marker.
        networks: `searched`, `skip-free` or `allocated`, which have a line style.
        label: distinguishes lines of the same method and networks that differ in setting or sweep.
        epoch: number of search epochs.
        value: value on the vertical axis.
    """

    panel: str
    method: str
    networks: str
    label: str
    epoch: int
    value: float


def seed_lines(
    points: Iterable[Point], looks: Mapping[str, Look], x_label: str, y_label: str, *, share_y: bool = False
) -> Figure | None:
    """Return a figure with the panels in order and a common legend below; None without points."""
    panels = grouped(points, attrgetter("panel"))
    if not panels:
        return None
    handles = _legend_handles([point for panel in panels.values() for point in panel], looks)
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


def _draw_panel(axes: Axes, panel: Sequence[Point], looks: Mapping[str, Look]) -> None:
    epochs = sorted({point.epoch for point in panel})
    # Points at all epochs of long curves would be unreadable: about as many epochs get points as the axis has ticks.
    dotted = set(epochs[:: -(-len(epochs) // _MAX_TICKS)]) | {epochs[-1]}
    lines = grouped(sorted(panel, key=_order), _order).values()
    step = _step(sorted(dotted), len(lines))
    for index, line in enumerate(lines):
        shift = (index - (len(lines) - 1) / 2) * step
        look, networks = looks[line[0].method], line[0].networks
        by_epoch = sorted(grouped(line, attrgetter("epoch")).items())
        x = [epoch + shift for epoch, _ in by_epoch]
        means = [sum(point.value for point in own) / len(own) for _, own in by_epoch]
        axes.plot(x, means, color=look.color, linestyle=LINES[networks], linewidth=1.8, zorder=2)
        if len(x) == 1:  # a line of one point is invisible
            axes.plot(x, means, color=look.color, marker="_", markersize=22, markeredgewidth=1.8, zorder=2)
        points = _side_by_side([point for point in line if point.epoch in dotted], 0.3 * step)
        axes.plot(
            [x + shift for x, _ in points],
            [value for _, value in points],
            linestyle="none",
            marker=look.marker,
            markersize=5,
            markeredgewidth=1.1,
            **filling(networks, look.color),
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


def _order(point: Point) -> tuple[str, int, str]:
    """Return the line of a point; lines sort by method, networks and label."""
    return point.method, list(LINES).index(point.networks), point.label


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


def _legend_handles(points: Sequence[Point], looks: Mapping[str, Look]) -> list[Line2D]:
    """Return the legend: methods by color and marker, and line styles if there are several kinds of networks."""
    drawn = {point.networks for point in points}
    kinds = [networks for networks in LINES if networks in drawn]

    def handle(label: str, color: str, marker: str, networks: str, **style: Any) -> Line2D:
        line = LINES[networks]
        return Line2D(
            [], [], color=color, linestyle=line, marker=marker, **filling(networks, color), label=label, **style
        )

    methods = [
        handle(method, looks[method].color, looks[method].marker, kinds[-1], markersize=5, linewidth=1.8)
        for method in sorted({point.method for point in points})
    ]
    return methods + [handle(networks, "black", "o", networks) for networks in kinds if len(kinds) > 1]


def _legend_columns(labels: Sequence[str], width: float) -> int:
    """Return the number of columns of a legend `width` inches wide."""
    if sum(_HANDLE_WIDTH + _CHARACTER_WIDTH * len(label) for label in labels) <= width:
        return len(labels)
    return max(1, int(width / (_HANDLE_WIDTH + _CHARACTER_WIDTH * max(map(len, labels)))))
