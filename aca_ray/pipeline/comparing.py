"""From the records of sweeps to tables and plots."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.comparison import Comparison, compare, read_sweep
from aca_ray.pipeline.manifest import Sweep
from aca_ray.pipeline.orders import allocation_of
from aca_ray.report.plots import write_plots
from aca_ray.report.tables import write_tables
from aca_ray.storage import StoragePath


def compare_sweeps(sweeps: Sequence[Sweep], folder: StoragePath) -> Comparison:
    """Return the comparison of sweeps, its tables and plots written into a folder."""
    rows = [read_sweep(sweep.folder.path) for sweep in sweeps]
    comparison = compare(rows, main_allocation=allocation_of(sweeps[0]))
    write_tables(comparison, rows, folder)
    write_plots(rows, comparison, folder)
    return comparison
