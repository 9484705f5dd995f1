"""Which operation every edge comes to prefer.

All panels of a cell are drawn in one pair of axes: fourteen axes would take ten times as long.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from aca_ray.comparison import Comparison, MixingTrajectory
from aca_ray.report.colors import COLORS, GRAY, LIGHT_GRAY
from aca_ray.report.figures import Plot, plot_of
from aca_ray.report.panel import Panel
from aca_ray.report.table import key_of
from aca_ray.space.candidates import NONE

_PANELS_IN_A_ROW = 7
_WIDTH, _ROW_HEIGHT = 11.2, 1.15  # inches
_GAP = 0.12  # between panels, as a share of the panel width
_TITLE_HEIGHT = 0.3  # above a panel, as a share of the panel height
_STYLES = ("-", "--", ":")
_MOST_PLOTS = 8
_MOST_POINTS = 40  # of a line: more are not visible and would take megabytes
_LEAST_EXTENT = 1e-3  # of weights; records have four decimals

Key = tuple[str, str, str]  # method, skip, space


def _plots(comparison: Comparison) -> Iterator[Plot]:
    """Yield one plot per method, skip policy and space, for the lowest seed of the largest budget."""
    chosen: dict[Key, list[MixingTrajectory]] = {}
    for one in sorted(comparison.rows.trajectories, key=lambda one: (-one.epochs[-1], one.seed, one.search)):
        cells = chosen.setdefault((one.method, one.skip, one.space), [])
        if not cells or (one.search == cells[0].search and one.cell_type not in {cell.cell_type for cell in cells}):
            cells.append(_without_deleted(one))
    left_out = len(chosen) - _MOST_PLOTS
    more = f" Not drawn: {left_out} more methods and policies." if left_out > 0 else ""
    for key, cells in sorted(chosen.items())[:_MOST_PLOTS]:
        method, skip, space = key
        low = min(float(np.nanmin(cell.weights)) for cell in cells)
        high = max(float(np.nanmax(cell.weights)) for cell in cells)
        yield plot_of(
            _figure(sorted(cells, key=lambda cell: cell.cell_type), low, max(high - low, _LEAST_EXTENT)),
            f"mixing_{key_of(' '.join(key))}",
            f"Mixing weights of {method}, {skip}, in {space}",
            f"One panel per edge, one line per candidate operation. Vertical axis: weights from {low:.3f} to "
            f"{high:.3f}. Horizontal axis: epochs {cells[0].epochs[0]} to {cells[0].epochs[-1]}. Shown: seed "
            f"{cells[0].seed}, the lowest of the largest budget. A line that rises above the others is the preferred "
            f"operation.{more}",
        )


def _without_deleted(cell: MixingTrajectory) -> MixingTrajectory:
    """Return the weights without those of deleted edges, which offer `none` alone; all of them if none is left."""
    if NONE not in cell.candidates:
        return cell
    offered = np.isfinite(cell.weights)
    deleted = offered[..., cell.candidates.index(NONE)] & (offered.sum(axis=2) == 1)
    if deleted.all():
        return cell
    return replace(cell, weights=np.where(deleted[..., None], np.float32(np.nan), cell.weights))


def _figure(cells: Sequence[MixingTrajectory], low: float, extent: float) -> Figure:
    names = sorted(
        {name for cell in cells for i, name in enumerate(cell.candidates) if np.isfinite(cell.weights[..., i]).any()}
    )
    heights = [_ROW_HEIGHT * -(-len(cell.edges) // _PANELS_IN_A_ROW) + 0.3 for cell in cells]
    legend_rows = -(-len(names) // 6)
    figure = Figure(figsize=(_WIDTH, sum(heights) + 0.25 * legend_rows + 0.1))
    top = figure.get_figheight()
    offset = 0.0
    for cell, height in zip(cells, heights, strict=True):
        axes = figure.add_axes((0.01, (top - offset - height) / top, 0.98, (height - 0.3) / top))
        offset += height
        axes.set_axis_off()
        axes.set_title(f"{cell.cell_type} cell", fontsize=10, loc="left", pad=4)
        _draw(axes, cell, names, (cell.weights - low) / extent)
    handles = [Line2D([], [], color=_color(i), linestyle=_style(i), label=name) for i, name in enumerate(names)]
    figure.legend(handles=handles, loc="lower center", ncols=6, frameon=False, fontsize=8)
    return figure


def _draw(axes: Axes, cell: MixingTrajectory, names: Sequence[str], heights: NDArray[np.float32]) -> None:
    num_rows = -(-len(cell.edges) // _PANELS_IN_A_ROW)
    shown = np.unique(np.linspace(0, len(cell.epochs) - 1, _MOST_POINTS).round().astype(int))
    x = shown / (len(cell.epochs) - 1) if len(cell.epochs) > 1 else np.array([0.5])
    frames, lines, colors, styles = [], [], [], []
    for index, edge in enumerate(cell.edges):
        left = (index % _PANELS_IN_A_ROW) * (1 + _GAP)
        bottom = (num_rows - 1 - index // _PANELS_IN_A_ROW) * (1 + _TITLE_HEIGHT)
        frames.append(Rectangle((left, bottom), 1, 1))
        axes.text(left, bottom + 1.04, edge.replace("->", "\N{RIGHTWARDS ARROW}"), fontsize=7, va="bottom", color=GRAY)
        for candidate, name in enumerate(cell.candidates):
            y = heights[shown, index, candidate]
            offered = np.isfinite(y)
            if not offered.any():
                continue
            style = names.index(name)
            points = np.column_stack([left + x[offered], bottom + y[offered]])
            if len(points) == 1:  # a line of one point is invisible
                points = points + np.array([[-0.04, 0.0], [0.04, 0.0]])
            lines.append(points)
            colors.append(_color(style))
            styles.append(_style(style))
    axes.add_collection(PatchCollection(frames, facecolor="none", edgecolor=LIGHT_GRAY, linewidth=0.8))
    axes.add_collection(LineCollection(lines, colors=colors, linestyles=styles, linewidths=1.2))
    axes.set_xlim(-0.02, _PANELS_IN_A_ROW * (1 + _GAP) - _GAP + 0.02)
    axes.set_ylim(-0.03, num_rows * (1 + _TITLE_HEIGHT))


def _color(index: int) -> str:
    return COLORS[index % len(COLORS)]


def _style(index: int) -> Any:
    return _STYLES[index // len(COLORS) % len(_STYLES)]


PANEL = Panel(
    "mixing",
    "Mixing weights",
    "Mixing weights of the candidate operations, epoch by epoch.",
    "No search has finished an epoch yet.",
    plots=_plots,
)
