"""All plots of a comparison; a method has the same color and marker in all of them."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.comparison import Comparison, SweepRows
from aca_ray.report.epoch_plots import epoch_plots
from aca_ray.report.figures import Plot, looks_of
from aca_ray.report.kept_share_plots import kept_share_plots
from aca_ray.report.scatter_plots import scatter_plots
from aca_ray.report.table_plots import table_plots
from aca_ray.report.trajectory_plots import trajectory_plots


def make_plots(sweeps: Sequence[SweepRows], comparison: Comparison) -> tuple[Plot, ...]:
    """Return every plot for which there are rows."""
    methods = {group.group.method for group in comparison.groups}
    methods |= {row.method for sweep in sweeps for rows in (sweep.curves, sweep.allocations) for row in rows}
    looks = looks_of(methods)
    return (
        *table_plots(sweeps),
        *epoch_plots(sweeps, comparison, looks),
        *scatter_plots(comparison, looks),
        *kept_share_plots(sweeps, comparison),
        *trajectory_plots(sweeps),
    )
