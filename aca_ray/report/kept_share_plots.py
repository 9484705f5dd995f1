"""Which share of an edge's channels its operation keeps: heat maps over milestones and seeds.

Source: ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from aca_ray.comparison import Comparison, EdgeRow, SweepRows
from aca_ray.report.figures import Plot, plot_of
from aca_ray.report.table import key_of

_WIDTH, _ROW_HEIGHT = 11.2, 0.13  # inches
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
            "Rows are edges, stage by stage; columns are seeds, milestone by milestone. Dark keeps few channels (a skip "
            "connection refills the rest), bright keeps all, gray: that seed has no such edge. Rows of one brightness "
            f"are edges on which the seeds agree.{more}",
        )
        for method in sorted(methods)[:_MOST_PLOTS]
    ]


def _figure(panels: dict[Panel, list[EdgeRow]]) -> Figure:
    edges = {panel: sorted({_edge(row) for row in rows}) for panel, rows in panels.items()}
    heights = [_ROW_HEIGHT * len(edges[panel]) + 0.9 for panel in panels]
    figure = Figure(figsize=(_WIDTH, sum(heights)), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    image = None
    for axes, panel in zip(grid, sorted(panels), strict=True):
        image = _draw(axes, panels[panel], edges[panel])
        space, data, epochs, _, sweep = panel
        axes.set_title(f"{space} on {data}, search of {epochs} epochs, sweep {sweep}", fontsize=10, loc="left")
    figure.colorbar(image, ax=list(grid), label="kept share of the channels", shrink=0.8, aspect=30, pad=0.01)
    return figure


def _draw(axes: Axes, rows: Sequence[EdgeRow], edges: Sequence[tuple[int, int, int]]) -> Any:
    columns = sorted({(row.epoch, row.seed) for row in rows})
    row_index = {edge: index for index, edge in enumerate(edges)}
    column_index = {column: index for index, column in enumerate(columns)}
    shares = np.full((len(edges), len(columns)), np.nan)
    for row in rows:
        shares[row_index[_edge(row)], column_index[row.epoch, row.seed]] = row.kept_share
    axes.set_facecolor("#dddddd")
    image = axes.imshow(
        np.ma.masked_invalid(shares), cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto", interpolation="none"
    )
    names = [f"{stage} {source}\N{RIGHTWARDS ARROW}{target}" for stage, source, target in edges]
    axes.set_yticks(range(len(edges)), names, fontsize=6)
    axes.set_ylabel("stage, edge", fontsize=8)
    for index in range(1, len(edges)):
        if edges[index][0] != edges[index - 1][0]:
            axes.axhline(index - 0.5, color="white", linewidth=1.5)
    for index in range(1, len(columns)):
        if columns[index][0] != columns[index - 1][0]:
            axes.axvline(index - 0.5, color="white", linewidth=1.5)
    step = -(-len(columns) // _MOST_LABELS)
    shown = range(0, len(columns), step)
    axes.set_xticks(shown, [f"{columns[i][0]}\n{columns[i][1]}" for i in shown], fontsize=6)
    axes.set_xlabel("milestone (epoch) above, seed below", fontsize=8)
    axes.tick_params(length=0)
    return image


def _edge(row: EdgeRow) -> tuple[int, int, int]:
    return row.stage, row.source, row.target
