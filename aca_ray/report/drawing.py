"""Drawings of what a search found: the derived cells, and the mixing weights.

A cell is drawn as an arc diagram: its nodes stand in one row, edges that run side by side have different heights, and
the label of an edge stands in the gap left of the node that it ends in. Labels of different gaps are side by side and
labels of one gap are at different heights, so that no two can overlap, whatever the genotype.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path as Outline

from aca_ray.errors import ConfigError
from aca_ray.report.figures import BLUE, GRAY, GREEN, save_figure
from aca_ray.space import CELL_TYPES, CellGenotype, CellType, ChannelPlan, Genotype, KeptEdge, Topology, stage_cell_type
from aca_ray.space.candidates import DARTS_CANDIDATES, PARAMETRIC, SKIP, published_name
from aca_ray.storage import StoragePath

# One unit is the distance between two nodes; a label of 12 characters has to fit between their boxes.
_INCHES_PER_UNIT = 1.75
_NODE_WIDTH, _NODE_HEIGHT = 0.34, 0.26
_LEVEL_HEIGHT, _LEVEL_HEIGHT_WITH_PLAN = 0.26, 0.36
_FIRST_LEVEL = 0.42
_OUTPUT_LEVEL = -0.34
_CORNER = 0.06
_CELL_NAMES: dict[CellType, str] = {"normal": "normal cell", "reduce": "reduction cell"}


def draw_genotype(genotype: Genotype, path: StoragePath, plan: ChannelPlan | None = None) -> StoragePath:
    """Draw the cells, inputs left and output right, every edge labeled with its operation, and return the path.

    A residual block that stands in a cell's place is not drawn.

    Args:
        genotype: the derived cells.
        path: the file; its suffix (.png, .svg) decides the format.
        plan: if given, the labels also show the share of the channels that the operation keeps, stage by stage.

    Raises:
        ConfigError: the plan does not fit the genotype.

    Source: ours.
    """
    return save_figure(cell_figure(genotype, plan), path)


def cell_figure(genotype: Genotype, plan: ChannelPlan | None = None) -> Figure:
    """Return the figure that `draw_genotype` saves."""
    if plan is not None:
        plan.check_fits(genotype)
    cells = [(cell_type, genotype.cell(cell_type)) for cell_type in CELL_TYPES if genotype.cell(cell_type).nodes]
    layouts = [_Layout.of(cell, plan is not None) for _, cell in cells]
    width = max(layout.width for layout in layouts)
    heights = [layout.top - layout.bottom for layout in layouts]
    figure = Figure(figsize=(_INCHES_PER_UNIT * width, _INCHES_PER_UNIT * sum(heights)))
    offset = 0.0
    for (cell_type, cell), layout, height in zip(cells, layouts, heights, strict=True):
        axes = figure.add_axes((0.0, 1 - (offset + height) / sum(heights), 1.0, height / sum(heights)))
        offset += height
        axes.set_xlim(-0.5, width - 0.5)
        axes.set_ylim(layout.bottom, layout.top)
        axes.set_axis_off()
        _draw_cell(axes, cell, layout, _kept_shares(plan, cell_type) if plan else None)
        title = _CELL_NAMES[cell_type]
        if plan:
            stages = ", ".join(str(stage) for stage in range(len(plan.stages)) if stage_cell_type(stage) == cell_type)
            title += (
                f"; under the operation: channels it keeps in stages {stages} ({plan.allocation} of {plan.ranking})"
            )
        axes.text(-0.4, layout.top - 0.06, title, ha="left", va="top", fontsize=11, fontweight="bold")
    return figure


def draw_mixing(alphas: Mapping[str, Any], path: StoragePath) -> StoragePath:
    """Draw the mixing weights of the cells that have edges as heat maps, edges by candidates, and return the path.

    Args:
        alphas: as in a search's record.json: `normal` and `reduce` hold one row of mixing weights per edge, and
            `candidates` the operation names of every weight, cell by cell. Without `reduce` cells have one input.
        path: the file; its suffix (.png, .svg) decides the format.

    Raises:
        ConfigError: weights and names do not match, or the number of edges is that of no cell.

    Source: ours.
    """
    has_one_input = not alphas.get("reduce")
    cell_types: tuple[CellType, ...] = ("normal",) if has_one_input else CELL_TYPES
    cells = [_mixing_table(alphas, cell_type, 1 if has_one_input else 2) for cell_type in cell_types]
    largest = max(float(np.nanmax(weights)) for weights, _, _ in cells)
    num_columns = sum(len(names) for _, names, _ in cells)
    num_rows = max(len(edges) for _, _, edges in cells)
    figure = Figure(figsize=(3.2 + 0.62 * num_columns, 2.0 + 0.34 * num_rows), layout="constrained")
    grid = figure.subplots(1, len(cells), squeeze=False, width_ratios=[len(names) for _, names, _ in cells])[0]
    image = None
    for axes, cell_type, (weights, names, edges) in zip(grid, cell_types, cells, strict=True):
        axes.set_facecolor("#eeeeee")  # what an edge does not offer stays gray
        image = axes.imshow(np.ma.masked_invalid(weights), cmap="cividis", vmin=0.0, vmax=largest or 1.0, aspect="auto")
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(edges)), edges)
        axes.tick_params(length=0)
        axes.set_title(_CELL_NAMES[cell_type], fontsize=11, fontweight="bold", loc="left")
        for (row, column), weight in np.ndenumerate(weights):
            if np.isfinite(weight):
                color = "black" if weight > 0.5 * largest else "white"
                axes.text(column, row, f"{weight:.2f}", ha="center", va="center", fontsize=8, color=color)
    grid[0].set_ylabel("edge")
    if image is not None:
        figure.colorbar(image, ax=list(grid), label="mixing weight", shrink=0.9, aspect=30)
    return save_figure(figure, path)


@dataclass(frozen=True)
class _Layout:
    """Where the parts of one cell stand, in units of the distance between nodes.

    Attributes:
        position: x of every node; -1 is the output.
        level: height of every kept edge, by its index.
        start: x at which every edge leaves its source.
        end: x at which it enters its target.
        bottom, top, width: extent of the drawing.
    """

    position: dict[int, float]
    level: tuple[float, ...]
    start: tuple[float, ...]
    end: tuple[float, ...]
    bottom: float
    top: float
    width: float

    @staticmethod
    def of(cell: CellGenotype, with_plan: bool) -> _Layout:
        """Return the layout of a cell."""
        position = {node: float(index) for index, node in enumerate((*range(cell.num_inputs), *sorted(cell.nodes), -1))}
        tracks = _tracks(cell.edges, position)
        step = _LEVEL_HEIGHT_WITH_PLAN if with_plan else _LEVEL_HEIGHT
        start, end = [0.0] * len(cell.edges), [0.0] * len(cell.edges)
        for node, x in position.items():
            # Higher edges leave and enter nearer to the middle of the box: so edges of one node never cross.
            leaving = sorted((i for i, edge in enumerate(cell.edges) if edge.source == node), key=lambda i: -tracks[i])
            entering = sorted((i for i, edge in enumerate(cell.edges) if edge.target == node), key=lambda i: -tracks[i])
            for ports, indices, side in ((start, leaving, 1), (end, entering, -1)):
                for rank, index in enumerate(indices):
                    ports[index] = x + side * (0.5 * _NODE_WIDTH - 0.01) * (rank + 0.6) / max(len(indices), 2)
        return _Layout(
            position=position,
            level=tuple(_FIRST_LEVEL + step * track for track in tracks),
            start=tuple(start),
            end=tuple(end),
            bottom=_OUTPUT_LEVEL - 0.2,
            top=_FIRST_LEVEL + step * max(tracks, default=0) + 0.36,
            width=float(len(position)),
        )


def _tracks(edges: Sequence[KeptEdge], position: Mapping[int, float]) -> list[int]:
    """Return a height for every edge, short edges lowest, such that edges side by side may share one.

    Source: ours; greedy interval coloring.
    """
    tracks = [0] * len(edges)
    taken: list[list[tuple[float, float]]] = []

    def span(index: int) -> tuple[float, float]:
        return position[edges[index].source], position[edges[index].target]

    for index in sorted(range(len(edges)), key=lambda i: (span(i)[1] - span(i)[0], span(i))):
        left, right = span(index)
        track = 0
        while track < len(taken) and any(left < end and start < right for start, end in taken[track]):
            track += 1
        if track == len(taken):
            taken.append([])
        taken[track].append((left, right))
        tracks[index] = track
    return tracks


def _kept_shares(plan: ChannelPlan, cell_type: CellType) -> list[str]:
    """Return, per kept edge of a cell, the percent of channels that the operation keeps in each stage."""
    stages = [edges for stage, edges in enumerate(plan.stages) if stage_cell_type(stage) == cell_type]
    return [
        " / ".join(f"{100 * edge.kept_fraction:.0f}" for edge in edges) + " %" for edges in zip(*stages, strict=True)
    ]


def _draw_cell(axes: Axes, cell: CellGenotype, layout: _Layout, kept_shares: Sequence[str] | None) -> None:
    for index, edge in enumerate(cell.edges):
        color, style = _edge_look(edge.operation)
        level = layout.level[index]
        corners = [
            (layout.start[index], 0.5 * _NODE_HEIGHT),
            (layout.start[index], level),
            (layout.end[index], level),
            (layout.end[index], 0.5 * _NODE_HEIGHT),
        ]
        _draw_line(axes, corners, color, style)
        x = layout.position[edge.target] - 0.5
        label: dict[str, Any] = {
            "ha": "center",
            "bbox": {"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            "zorder": 4,
        }
        axes.text(x, level, published_name(edge.operation), va="center", fontsize=10.5, color=color, **label)
        if kept_shares is not None:
            axes.text(x, level - 0.085, kept_shares[index], va="top", fontsize=8.5, color=GRAY, **label)
    output = layout.position[-1]
    for node in cell.concat:
        x = layout.position[node]
        corners = [(x, -0.5 * _NODE_HEIGHT), (x, _OUTPUT_LEVEL), (output, _OUTPUT_LEVEL), (output, -0.5 * _NODE_HEIGHT)]
        _draw_line(axes, corners, GRAY, "solid")
    if cell.num_inputs > 1:
        axes.text(output - 0.5, _OUTPUT_LEVEL - 0.04, "concat", ha="center", va="top", fontsize=9, color=GRAY)
    names = {node: f"$c_{{k-{cell.num_inputs - node}}}$" for node in range(cell.num_inputs)} | {-1: "$c_k$"}
    for node, x in layout.position.items():
        is_outside = node in names
        box = FancyBboxPatch(
            (x - 0.5 * _NODE_WIDTH, -0.5 * _NODE_HEIGHT),
            _NODE_WIDTH,
            _NODE_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor="#e8e8e8" if is_outside else "white",
            edgecolor="black",
            linewidth=1.2,
            zorder=5,
        )
        axes.add_patch(box)
        axes.text(x, 0, names.get(node, str(node)), ha="center", va="center", fontsize=11, zorder=6)


def _edge_look(operation: str) -> tuple[str, str]:
    """Return color and line style: weights, skip, and everything else (pooling, noise)."""
    if operation in PARAMETRIC:
        return BLUE, "solid"
    return (GREEN, "dashed") if operation == SKIP else ("#9c5700", "dotted")


def _draw_line(axes: Axes, corners: Sequence[tuple[float, float]], color: str, style: str) -> None:
    """Draw an up-across-down line with rounded corners and an arrow head at its end."""
    (x0, y0), (_, level), (x1, _), (_, y1) = corners
    turn = _CORNER if level > y0 else -_CORNER
    points = [
        ((x0, y0), Outline.MOVETO),
        ((x0, level - turn), Outline.LINETO),
        ((x0, level), Outline.CURVE3),
        ((x0 + _CORNER, level), Outline.CURVE3),
        ((x1 - _CORNER, level), Outline.LINETO),
        ((x1, level), Outline.CURVE3),
        ((x1, level - turn), Outline.CURVE3),
        ((x1, y1 + turn), Outline.LINETO),
    ]
    outline = Outline([point for point, _ in points], [code for _, code in points])
    axes.add_patch(PathPatch(outline, facecolor="none", edgecolor=color, linestyle=style, linewidth=1.5, zorder=2))
    head = {"arrowstyle": "-|>", "color": color, "linewidth": 1.5, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}
    axes.annotate("", xy=(x1, y1), xytext=(x1, y1 + turn), arrowprops=head, zorder=3)


def _mixing_table(alphas: Mapping[str, Any], cell_type: CellType, num_inputs: int) -> tuple[Any, list[str], list[str]]:
    """Return weights (edges, candidates) with NaN where an edge lacks a candidate, the names, and the edge labels."""
    try:
        rows, names = alphas[cell_type], alphas["candidates"][cell_type]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"alphas: needs {cell_type!r} and candidates.{cell_type}, lacks {error}") from error
    if len(rows) != len(names) or any(len(row) != len(edge) for row, edge in zip(rows, names, strict=True)):
        raise ConfigError(
            f"alphas.{cell_type}: needs one weight per name in candidates.{cell_type}, found rows of "
            f"{[len(row) for row in rows]} weights and {[len(edge) for edge in names]} names"
        )
    offered = {name for edge in names for name in edge}
    columns = [name for name in DARTS_CANDIDATES if name in offered] + sorted(offered - set(DARTS_CANDIDATES))
    weights = np.full((len(rows), len(columns)), np.nan)
    for index, (row, edge_names) in enumerate(zip(rows, names, strict=True)):
        for weight, name in zip(row, edge_names, strict=True):
            weights[index, columns.index(name)] = weight
    return weights, list(map(published_name, columns)), _edge_labels(len(rows), cell_type, num_inputs)


def _edge_labels(num_edges: int, cell_type: CellType, num_inputs: int) -> list[str]:
    """Return the edges of the densely connected cell that has so many, node-major."""
    num_nodes = 0
    while len(Topology(num_inputs, num_nodes).edges) < num_edges:
        num_nodes += 1
    edges = Topology(num_inputs, num_nodes).edges
    if len(edges) != num_edges or not edges:
        raise ConfigError(f"alphas.{cell_type}: {num_edges} edges are those of no densely connected cell")
    return [f"{edge.source}->{edge.target}" for edge in edges]
