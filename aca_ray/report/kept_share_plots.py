"""Heat maps of the share of the channels that operations keep, per edge, over milestones and seeds."""

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

# Inches.
_ROW_HEIGHT, _WIDEST_COLUMN, _WIDEST = 0.13, 0.4, 9.4
_LEFT, _RIGHT, _ABOVE, _BELOW = 0.9, 0.9, 0.35, 0.5
_MOST_LABELS = 60
_MOST_PLOTS = 12

Panel = tuple[str, str, str, str]  # space, data, setting, sweep
Column = tuple[int, int, int]  # epochs, milestone, seed
Edge = tuple[int, int, int]  # stage, source, target


def kept_share_plots(sweeps: Sequence[SweepRows], comparison: Comparison) -> list[Plot]:
    """Return one plot per method for the main pair, for at most twelve methods, sorted by name."""
    methods: dict[str, dict[Panel, list[EdgeRow]]] = defaultdict(lambda: defaultdict(list))
    for sweep in sweeps:
        for row in sweep.edges:
            if (row.ranking, row.allocation) == comparison.main_pair:
                methods[row.method][row.space, row.data, row.setting, row.sweep].append(row)
    left_out = len(methods) - _MOST_PLOTS
    more = f" Not drawn: {left_out} more methods; see edges.parquet." if left_out > 0 else ""
    return [
        plot_of(
            _figure(methods[method]),
            f"kept_share_{key_of(method)}",
            f"Kept share per edge of {method}",
            "Rows are edges, stage by stage; columns are seeds, by budget and milestone. Dark: the operation keeps few "
            "channels, and a skip connection refills the rest. Bright: it keeps all. Gray: the seed does not have this "
            f"edge. On rows of uniform brightness the seeds agree.{more}",
        )
        for method in sorted(methods)[:_MOST_PLOTS]
    ]


def _figure(panels: Mapping[Panel, Sequence[EdgeRow]]) -> Figure:
    edges = {panel: sorted({_edge(row) for row in panels[panel]}) for panel in sorted(panels)}
    columns = {panel: sorted({_column(row) for row in panels[panel]}) for panel in edges}
    widest = min(_WIDEST, max(3.0, _WIDEST_COLUMN * max(map(len, columns.values()))))
    heights = [_ROW_HEIGHT * len(rows) + _ABOVE + _BELOW for rows in edges.values()]
    width, total = _LEFT + widest + _RIGHT, sum(heights)
    figure = Figure(figsize=(width, total))

    def axes_at(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, bottom / total, wide / width, high / total))

    top = total
    for (panel, rows), height in zip(edges.items(), heights, strict=True):
        wide = min(widest, _WIDEST_COLUMN * len(columns[panel]))
        axes = axes_at(_LEFT, top - height + _BELOW, wide, height - _ABOVE - _BELOW)
        image = _draw(axes, panels[panel], rows, columns[panel])
        space, data, _, sweep = panel
        axes.set_title(f"{space} on {data}, sweep {sweep}", fontsize=10, loc="left")
        top -= height
    bar = axes_at(width - _RIGHT + 0.1, total - _ABOVE - 2.0, 0.12, 2.0)
    figure.colorbar(image, cax=bar, label="kept share of the channels")
    return figure


def _draw(axes: Axes, rows: Sequence[EdgeRow], edges: Sequence[Edge], columns: Sequence[Column]) -> AxesImage:
    row_index = {edge: index for index, edge in enumerate(edges)}
    column_index = {column: index for index, column in enumerate(columns)}
    shares = np.full((len(edges), len(columns)), np.nan)
    for row in rows:
        shares[row_index[_edge(row)], column_index[_column(row)]] = row.kept_share
    axes.set_facecolor(LIGHT_GRAY)
    image = axes.imshow(
        np.ma.masked_invalid(shares), cmap="cividis", vmin=0.0, vmax=1.0, aspect="auto", interpolation="none"
    )
    starts = [i for i in range(1, len(edges)) if edges[i][0] != edges[i - 1][0]]
    axes.hlines([i - 0.5 for i in starts], -0.5, len(columns) - 0.5, color="white", linewidth=1.5)
    for level, line in ((0, 3.0), (1, 1.0)):  # budgets, milestones
        starts = [i for i in range(1, len(columns)) if columns[i][: level + 1] != columns[i - 1][: level + 1]]
        axes.vlines([i - 0.5 for i in starts], -0.5, len(edges) - 0.5, color="white", linewidth=line)
    # Texts instead of ticks: a hundred ticks take half a second.
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    below = axes.get_xaxis_transform()
    for index, (stage, source, target) in enumerate(edges):
        name = f"stage {stage}, {source}\N{RIGHTWARDS ARROW}{target}"
        axes.text(-0.55, index, name, fontsize=6, ha="right", va="center")
    for index in range(0, len(columns), -(-len(columns) // _MOST_LABELS)):
        name = "{}\n{}\n{}".format(*columns[index])
        axes.text(index, -0.005, name, transform=below, fontsize=6, ha="center", va="top")
    axes.text(-0.55, -0.005, "budget\nepoch\nseed", transform=below, fontsize=6, ha="right", va="top")
    return image


def _column(row: EdgeRow) -> Column:
    return row.epochs, row.epoch, row.seed


def _edge(row: EdgeRow) -> Edge:
    return row.stage, row.source, row.target
