"""How many channels skip connections refill, and how stable the ranks of channels are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import attrgetter

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

from aca_ray.comparison import ALLOCATED, AllocationRow, Comparison, EdgeRow
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.ranker_agreement import RankerAgreementRow
from aca_ray.comparison.refill import RefillRow
from aca_ray.comparison.stability import StabilityRow
from aca_ray.report.colors import LIGHT_GRAY
from aca_ray.report.figures import Plot, looks_of, plot_of
from aca_ray.report.formats import decimal, ends, interval, number, tenths, text
from aca_ray.report.panel import Panel
from aca_ray.report.places import table_of
from aca_ray.report.row_files import RowFile
from aca_ray.report.seed_lines import Point, seed_lines
from aca_ray.report.table import Cell, Table, key_of

# Inches.
_ROW_HEIGHT, _WIDEST_COLUMN, _WIDEST = 0.13, 0.4, 9.4
_LEFT, _RIGHT, _ABOVE, _BELOW = 0.9, 0.9, 0.35, 0.5
_MOST_LABELS = 60
_MOST_PLOTS = 12

_HEAT_MAP = attrgetter("space", "data", "setting", "sweep")
_HEAT_MAP_COLUMN = attrgetter("epochs", "epoch", "seed")
_HEAT_MAP_ROW = attrgetter("stage", "source", "target")


def _tau_interval(limits: tuple[float | None, float | None]) -> Cell:
    return interval(limits, lambda tau: Cell(f"{tau:.2f}", tau))


_TAU = ends("kendall_tau")
_STABILITY = (
    text("method"),
    number("epochs"),
    text("ranking"),
    number("milestone", of="epoch"),
    number("n"),
    number("Kendall's tau", decimal, "kendall_tau_mean"),
    number("tau, 95 %", _tau_interval, _TAU),
    number("overlap %", tenths, "jaccard_mean"),
    number("overlap, 95 %", interval, ends("jaccard")),
)
_RANKER_AGREEMENT = (
    text("method"),
    number("epochs"),
    text("ranker A", "ranking_a"),
    text("ranker B", "ranking_b"),
    number("milestone", of="epoch"),
    number("n"),
    number("Kendall's tau", decimal, "kendall_tau_mean"),
    number("95 % interval", _tau_interval, _TAU),
)
_STAGE = (text("method"), number("epochs"), text("ranking"), number("stage"))
_REFILLED = (
    number("n"),
    number("refilled %", tenths, "refilled_mean"),
    number("95 % interval", interval, ends("refilled")),
)


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    main = comparison.main_pair.label if comparison.main_pair else "no pair"
    caption = (
        f"Share of the channels that skip connections refill at the last milestone under {main}: mean and 95 % "
        "interval over the n seeds that keep the edge. All milestones and rules are in refill.csv."
    )
    refill = _refill_at_the_end(comparison)
    return (
        *table_of(
            comparison.stability,
            "stability",
            "Stability of channel ranks between milestones",
            "Agreement with the previous milestone, mean and 95 % interval over seeds. Kendall's tau of the scores: 1 "
            "is the same order. Overlap of the kept channels (Jaccard, percent): 100 is the same channels.",
            _STABILITY,
            "stability.csv",
        ),
        *table_of(
            comparison.ranker_agreement,
            "rankers",
            "Agreement between rankers",
            "Kendall's tau between the scores of two rankers on the same searches, mean and 95 % interval over n "
            "searches: 1 is the same order, 0 is no agreement.",
            _RANKER_AGREEMENT,
            "ranker_agreement.csv",
        ),
        *table_of(
            [row for row in refill if row.edge is None],
            "refill",
            "Refilled channels per stage",
            caption,
            (*_STAGE, *_REFILLED),
            "refill.csv",
        ),
        *table_of(
            [row for row in refill if row.edge is not None],
            "refill-edges",
            "Refilled channels per edge",
            caption,
            (*_STAGE, text("edge"), *_REFILLED),
            "refill.csv",
        ),
    )


def _refill_at_the_end(comparison: Comparison) -> list[RefillRow]:
    """Return the rows of the main pair at the last milestone that its ranker has for the budget."""
    budgets = grouped(comparison.refill, attrgetter("method", "space", "data", "setting", "epochs", "ranking"))
    return [
        row
        for rows in budgets.values()
        for last in (max(row.epoch for row in rows),)
        for row in rows
        if (row.ranking, row.allocation) == comparison.main_pair and row.epoch == last
    ]


def _plots(comparison: Comparison) -> Iterator[Plot]:
    rows = [row for row in comparison.rows.allocations if (row.ranking, row.allocation) == comparison.main_pair]
    points = [
        Point(
            f"{row.space} on {row.data}, search of {row.epochs} epochs, {row.allocation} of {row.ranking}",
            row.method,
            ALLOCATED,
            f"{row.sweep} {row.setting}",
            row.epoch,
            100 * row.refilled_share,
        )
        for row in sorted(rows, key=attrgetter("space", "data", "epochs", "ranking", "epoch", "seed"))
    ]
    looks = looks_of(comparison)
    figure = seed_lines(points, looks, "epoch of the search", "channels refilled by skips (%)", share_y=True)
    if figure is not None:
        yield plot_of(
            figure,
            "refilled",
            "Refilled channels over the epochs of searches without skips",
            "Share of all channels that the main pair refills by skip connections, at every milestone. "
            "Every point is a seed.",
        )
    yield from _heat_maps(comparison)


def _heat_maps(comparison: Comparison) -> Iterator[Plot]:
    """Yield one plot of the kept share per edge for each of at most twelve methods, sorted by name."""
    rows = (row for row in comparison.rows.edges if (row.ranking, row.allocation) == comparison.main_pair)
    methods = sorted(grouped(rows, attrgetter("method")).items())
    left_out = len(methods) - _MOST_PLOTS
    more = f" Not drawn: {left_out} more methods; see edges.parquet." if left_out > 0 else ""
    for method, own in methods[:_MOST_PLOTS]:
        yield plot_of(
            _heat_map_figure(dict(sorted(grouped(own, _HEAT_MAP).items()))),
            f"kept_share_{key_of(method)}",
            f"Kept share per edge of {method}",
            "Rows are edges, stage by stage; columns are seeds, by budget and milestone. Dark: the operation keeps few "
            "channels, and a skip connection refills the rest. Bright: it keeps all. Gray: the seed does not have this "
            f"edge. On rows of uniform brightness the seeds agree.{more}",
        )


def _heat_map_figure(panels: Mapping[tuple[str, ...], Sequence[EdgeRow]]) -> Figure:
    """Return the heat maps, one below the other, by space, data, setting and sweep."""
    widest_panel = max(len(set(map(_HEAT_MAP_COLUMN, rows))) for rows in panels.values())
    widest = min(_WIDEST, max(3.0, _WIDEST_COLUMN * widest_panel))
    heights = [_ROW_HEIGHT * len(set(map(_HEAT_MAP_ROW, rows))) + _ABOVE + _BELOW for rows in panels.values()]
    width, total = _LEFT + widest + _RIGHT, sum(heights)
    figure = Figure(figsize=(width, total))

    def axes_at(left: float, bottom: float, wide: float, high: float) -> Axes:
        return figure.add_axes((left / width, bottom / total, wide / width, high / total))

    top = total
    for ((space, data, _, sweep), rows), height in zip(panels.items(), heights, strict=True):
        wide = min(widest, _WIDEST_COLUMN * len(set(map(_HEAT_MAP_COLUMN, rows))))
        axes = axes_at(_LEFT, top - height + _BELOW, wide, height - _ABOVE - _BELOW)
        image = _draw_heat_map(axes, rows)
        axes.set_title(f"{space} on {data}, sweep {sweep}", fontsize=10, loc="left")
        top -= height
    bar = axes_at(width - _RIGHT + 0.1, total - _ABOVE - 2.0, 0.12, 2.0)
    figure.colorbar(image, cax=bar, label="kept share of the channels")
    return figure


def _draw_heat_map(axes: Axes, rows: Sequence[EdgeRow]) -> AxesImage:
    edges, columns = sorted(set(map(_HEAT_MAP_ROW, rows))), sorted(set(map(_HEAT_MAP_COLUMN, rows)))
    row_index = {edge: index for index, edge in enumerate(edges)}
    column_index = {column: index for index, column in enumerate(columns)}
    shares = np.full((len(edges), len(columns)), np.nan)
    for row in rows:
        shares[row_index[_HEAT_MAP_ROW(row)], column_index[_HEAT_MAP_COLUMN(row)]] = row.kept_share
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


def _files(comparison: Comparison) -> tuple[RowFile, ...]:
    rows = comparison.rows
    agreement = comparison.ranker_agreement
    return (
        RowFile("allocations.csv", "every allocation rule at every milestone", rows.allocations, AllocationRow),
        RowFile("edges.parquet", "kept share of every edge at every milestone", rows.edges, EdgeRow),
        RowFile("stability.csv", "agreement of channel ranks between milestones", comparison.stability, StabilityRow),
        RowFile("refill.csv", "refilled share per stage and edge, at every milestone", comparison.refill, RefillRow),
        RowFile("ranker_agreement.csv", "agreement of channel ranks between rankers", agreement, RankerAgreementRow),
    )


PANEL = Panel(
    "channels",
    "Channel allocation",
    "Share of the channels that skip connections refill, and agreement of channel ranks between milestones and "
    "between rankers.",
    "No channels have been ranked yet.",
    tables=_tables,
    plots=_plots,
    files=_files,
)
