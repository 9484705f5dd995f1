"""The plot type and the style that all figures share."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aca_ray.comparison import ALLOCATED, SEARCHED, SKIP_FREE, Comparison
from aca_ray.report.colors import COLORS, LIGHT_GRAY

# Five markers and seven colors: 35 combinations before the first repetition.
MARKERS = ("o", "s", "^", "D", "v")
CSS_PIXELS_PER_INCH = 96
PANELS_IN_A_ROW = 2
LINES: dict[str, Literal["--", ":", "-"]] = {SEARCHED: "--", SKIP_FREE: ":", ALLOCATED: "-"}
LINES_AND_MARKS = "Hollow and dashed: searched. Half filled and dotted: skip-free. Filled and solid: allocated."
MANY_POINTS = 3_000  # more are rasterized: as vectors they would take megabytes


@dataclass(frozen=True)
class Look:
    """Color and marker of a method in all plots."""

    color: str
    marker: str


@dataclass(frozen=True)
class Plot:
    """A rendered plot.

    Attributes:
        name: name of the file, without the suffix.
        title: heading.
        caption: a sentence or two: what the plot shows and how to read it.
        svg: content of the file; text stays text.
        width: width in CSS pixels.
    """

    name: str
    title: str
    caption: str
    svg: bytes
    width: int


def plot_of(figure: Figure, name: str, title: str, caption: str) -> Plot:
    """Return the plot of a figure."""
    stream = io.BytesIO()
    # Without a date and with a fixed salt, equal figures give equal files.
    with mpl.rc_context({"svg.hashsalt": "aca_ray", "svg.fonttype": "none"}):
        figure.savefig(stream, format="svg", metadata={"Date": None}, facecolor="white")
    return Plot(name, title, caption, _short(stream.getvalue()), round(CSS_PIXELS_PER_INCH * figure.get_figwidth()))


def _short(svg: bytes) -> bytes:
    """Return an SVG with coordinates cut to two decimals instead of six: half as many bytes."""

    def cut(attribute: re.Match[bytes]) -> bytes:
        return re.sub(rb"(\.\d\d)\d+", rb"\1", attribute[0])

    return re.sub(rb' (?:d|x|y)="[^"]*"', cut, svg)


def looks_of(comparison: Comparison) -> dict[str, Look]:
    """Return one color and one marker per method, the same for all plots of a comparison."""
    methods = {group.group.method for group in comparison.groups}
    methods |= {row.method for rows in (comparison.rows.curves, comparison.rows.allocations) for row in rows}
    return {
        method: Look(COLORS[index % len(COLORS)], MARKERS[index % len(MARKERS)])
        for index, method in enumerate(sorted(methods))
    }


def filling(networks: str, color: str) -> dict[str, Any]:
    """Return the fill of a marker: hollow for searched networks, half for skip-free, full for allocated ones."""
    return {
        "fillstyle": "left" if networks == SKIP_FREE else "full",
        "markerfacecolor": "white" if networks == SEARCHED else color,
        "markerfacecoloralt": "white",
        "markeredgecolor": color,
    }


def panel_figure(
    titles: Sequence[str], panel: tuple[float, float], below: float = 0.0, *, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure with up to two titled panels per row, and its axes in order.

    Args:
        titles: one per panel.
        panel: width and height of a panel, in inches.
        below: height below the panels, such as for a legend, in inches.
        share_y: whether all panels share the y scale.
    """
    num_columns = min(len(titles), PANELS_IN_A_ROW)
    num_rows = -(-len(titles) // num_columns)
    size = (panel[0] * num_columns, panel[1] * num_rows + below)
    figure = Figure(figsize=size, layout="constrained")
    grid = list(figure.subplots(num_rows, num_columns, squeeze=False, sharey=share_y).flat)
    for axes, title in zip(grid, titles, strict=False):
        style_axes(axes)
        axes.set_title(title, fontsize=10, loc="left")
    for axes in grid[len(titles) :]:
        axes.set_visible(False)
    return figure, grid[: len(titles)]


def style_axes(axes: Axes) -> None:
    """Apply the shared style to axes: a light horizontal grid, no box."""
    axes.grid(axis="y", color=LIGHT_GRAY, linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
