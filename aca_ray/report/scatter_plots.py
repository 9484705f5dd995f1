"""Plots of accuracy against cost: parameters, and seconds of search, ranking and retraining.

Accuracy is shown at equal cost, as Lindauer & Hutter 2020 recommend.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter

from aca_ray.comparison import ALLOCATED, SEARCHED, SKIP_FREE, Arm, Comparison, SeedMean
from aca_ray.report.figures import MANY_POINTS, Look, Plot, filling, panel_figure, plot_of

_PANEL = (5.6, 3.9)  # inches
_MEAN_MARKS = {SEARCHED: "+", SKIP_FREE: "x", ALLOCATED: "P"}

Value = Callable[[SeedMean], float | None]


def scatter_plots(comparison: Comparison, looks: Mapping[str, Look]) -> list[Plot]:
    """Return plots of accuracy against parameters, and against the seconds of an arm where known."""
    arms: dict[str, list[tuple[str, str, Arm]]] = defaultdict(list)
    for group in comparison.groups:
        for networks, arm in group.arms:
            arms[group.group.place].append((group.group.method, networks, arm))
    if not arms:
        return []
    reading = (
        "Every point is a search seed. Hollow: searched. Half filled: skip-free. Filled: allocated. Crosses are the "
        "means of arms. "
    )
    plots = [
        plot_of(
            _figure(arms, looks, lambda seed: seed.parameters, "parameters"),
            "accuracy_parameters",
            "Test accuracy against parameters",
            f"{reading}Up is better, left is smaller.",
        )
    ]
    if any(_seconds(seed) is not None for panel in arms.values() for _, _, arm in panel for seed in arm.seeds):
        plots.append(
            plot_of(
                _figure(arms, looks, _seconds, "seconds of search, ranking and one retraining"),
                "accuracy_cost",
                "Test accuracy against cost",
                f"{reading}Up is better, left is cheaper. Compare seconds only between the same devices.",
            )
        )
    return plots


def _seconds(seed: SeedMean) -> float | None:
    if seed.search_seconds is None:
        return None
    return seed.search_seconds + (seed.ranking_seconds or 0.0) + seed.evaluation_seconds


def _figure(
    arms: Mapping[str, Sequence[tuple[str, str, Arm]]], looks: Mapping[str, Look], value: Value, x_label: str
) -> Figure:
    figure, grid = panel_figure(list(arms), _PANEL)
    for axes, panel in zip(grid, arms.values(), strict=True):
        for method, networks, arm in panel:
            points = [(x, 100 * seed.test_accuracy) for seed in arm.seeds if (x := value(seed)) is not None]
            if not points:
                continue
            xs, ys = zip(*points, strict=True)
            look = looks[method]
            axes.plot(
                xs,
                ys,
                linestyle="none",
                marker=look.marker,
                markersize=5,
                **filling(networks, look.color),
                alpha=0.8,
                rasterized=len(points) > MANY_POINTS,
            )
            axes.plot(sum(xs) / len(xs), sum(ys) / len(ys), marker=_MEAN_MARKS[networks], color=look.color, ms=9)
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_formatter(EngFormatter())
        axes.set_ylabel("test accuracy, final epoch (%)")
    methods = sorted({method for panel in arms.values() for method, _, _ in panel})
    handles = [
        Line2D([], [], linestyle="none", color=looks[method].color, marker=looks[method].marker, label=method)
        for method in methods
    ]
    columns = max(1, int(figure.get_figwidth() / 1.9))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, frameon=False, fontsize=9)
    return figure
