"""Which share of an edge's channels its operation keeps: heat maps over milestones and seeds.

Source: ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from aca_ray.comparison import Comparison, EdgeRow, SweepRows
from aca_ray.report.colors import LIGHT_GRAY
from aca_ray.report.figures import Plot, plot_of
from aca_ray.report.table import key_of

_WIDTH, _ROW_HEIGHT = 11.2, 0.13  # inches, as all here
_LEFT, _RIGHT, _ABOVE, _BELOW = 0.9, 0.9, 0.35, 0.4
_MOST_LABELS = 40
_MOST_PLOTS = 12

Panel = tuple[str, str, int, str, str]  # space, data, epochs, setting, sweep


def kept_share_plots(sweeps: Sequence[SweepRows], comparison: Comparison) -> list[Plot]:
    """Return one plot per method, for the main rule; of at most twelve methods, in their order."""
    ranking = comparison.main_rule.ranking if comparison.main_rule else None
    methods: dict[str, dict[Panel, list[EdgeRow]]] = defaultdict(lambda: defaultdict(list))
    for sweep in sweeps:
        for row in sweep.edges:
            if row.allocation == comparison.main_allocation and ranking in (None, row.ranking):
                panel = (row.space, row.data, row.epochs, row.setting, row.sweep)
                methods[row.method][panel].append(row)
    left_out = len(methods) - _MOST_PLOTS
    more = f" Not drawn: {left_out} more methods; edges.parquet has all." if left_out > 0 else ""
    return [
        plot_of(
            _figure(methods[method]),
            f"kept_share_{key_of(method)}",
            f"Kept share per edge of {method}",
            "Rows are edges, stage by stage; columns are seeds, milestone by milestone. Dark keeps few channels (a "
            "skip connection refills the rest), bright keeps all, gray: that seed has no such edge. Rows of one "
            f"brightness are edges on which the seeds agree.{more}",
        )
        for method in sorted(methods)[:_MOST_PLOTS]
    ]


def _figure(panels: Mapping[Panel, Sequence[EdgeRow]]) -> Figure:
    edges = {panel: sorted({_edge(row) for row in panels[panel]}) for panel in sorted(panels)}
    heights = [_ROW_HEIGHT * len(rows) + _ABOVE + _BELOW for rows in edges.values()]
    total = sum(heights)
    figure = Figure(figsize=(_WIDTH, total))
    top = total
    for (panel, rows), height in zip(edges.items(), heights, strict=True):
        inches = (_LEFT, top - height + _BELOW, _WIDTH - _LEFT - _RIGHT, height - _ABOVE - _BELOW)
        axes = figure.add_axes(_share(inches, total))
        image = _draw(axes, panels[panel], rows)
        space, data, epochs, _, sweep = panel
        axes.set_title(f"{space} on {data}, search of {epochs} epochs, sweep {sweep}", fontsize=10, loc="left")
        top -= height
    bar = figure.add_axes(_share((_WIDTH - _RIGHT + 0.2, total - 0.9 * heights[0], 0.12, 0.7 * heights[0]), total))
    figure.colorbar(image, cax=bar, label="kept share of the channels")
    return figure


def _share(inches: tuple[float, float, float, float], height: float) -> tuple[float, float, float, float]:
    left, bottom, wide, high = inches
    return left / _WIDTH, bottom / height, wide / _WIDTH, high / height


def _draw(axes: Axes, rows: Sequence[EdgeRow], edges: Sequence[tuple[int, int, int]]) -> AxesImage:
    columns = sorted({(row.epoch, row.seed) for row in rows})
    row_index = {edge: index for index, edge in enumerate(edges)}
    column_index = {column: index for index, column in enumerate(columns)}
    shares = np.full((len(edges), len(columns)), np.nan)
    for row in rows:
        shares[row_index[_edge(row)], column_index[row.epoch, row.seed]] = row.kept_share
    axes.set_facecolor(LIGHT_GRAY)
    image = axes.imshow(
        np.ma.masked_invalid(shares), cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto", interpolation="none"
    )
    starts = [i for i in range(1, len(edges)) if edges[i][0] != edges[i - 1][0]]
    axes.hlines([i - 0.5 for i in starts], -0.5, len(columns) - 0.5, color="white", linewidth=1.5)
    starts = [i for i in range(1, len(columns)) if columns[i][0] != columns[i - 1][0]]
    axes.vlines([i - 0.5 for i in starts], -0.5, len(edges) - 0.5, color="white", linewidth=1.5)
    # Texts, not ticks: a hundred ticks take half a second.
    axes.set_axis_off()
    beside, below = axes.get_yaxis_transform(), axes.get_xaxis_transform()
    for index, (stage, source, target) in enumerate(edges):
        name = f"stage {stage}, {source}\N{RIGHTWARDS ARROW}{target}"
        axes.text(-0.006, index, name, transform=beside, fontsize=6, ha="right", va="center")
    for index in range(0, len(columns), -(-len(columns) // _MOST_LABELS)):
        name = "{}\n{}".format(*columns[index])
        axes.text(index, -0.01, name, transform=below, fontsize=6, ha="center", va="top")
    axes.text(-0.006, -0.01, "epoch\nseed", transform=axes.transAxes, fontsize=6, ha="right", va="top")
    return image


def _edge(row: EdgeRow) -> tuple[int, int, int]:
    return row.stage, row.source, row.target
