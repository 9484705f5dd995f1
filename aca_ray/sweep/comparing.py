"""Comparison of sweeps: from their records to tables, plots and the report page."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from aca_ray.channels import SKIP_FREE
from aca_ray.comparison import Comparison, NetworkRow, Pair, compare
from aca_ray.records.labels import is_looked_up
from aca_ray.report.page import write_report
from aca_ray.space import ChannelPlan, Genotype
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.space.trials import Kind
from aca_ray.storage import StoragePath
from aca_ray.storage.files import remove_leftovers
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import rankings_of, rules_of
from aca_ray.sweep.rows import rows_of
from aca_ray.trials.network_files import read_network


def comparison_of(sweeps: Sequence[Sweep], by: str | None = None) -> Comparison:
    """Return the comparison of the finished trials of sweeps; no file is written. See `compare_sweeps`."""
    return compare(list(map(rows_of, sweeps)), [pair for sweep in sweeps for pair in _pairs_of(sweep)], by)


def compare_sweeps(
    sweeps: Sequence[Sweep], folder: StoragePath, *, by: str | None = None, running: bool = False
) -> Comparison:
    """Compare sweeps, write page, tables and plots into a folder, and return the comparison.

    Args:
        sweeps: the sweeps.
        folder: folder of the report.
        by: column in which the sweeps may differ although it is part of their place; see `compare`.
        running: whether the page is that of a sweep that runs; see `write_report`.
    """
    comparison = comparison_of(sweeps, by)

    def network_of(row: NetworkRow) -> tuple[Genotype, ChannelPlan | None]:
        kind: Kind = "look-up" if is_looked_up(row.protocol) else "retraining"
        files = [sweep.folder.folder(kind, row.fingerprint[:SHORT_DIGITS]).network for sweep in sweeps]
        return read_network(next((file for file in files if file.is_file()), files[0]))  # names may be equal

    remove_leftovers(folder)
    names = " and ".join(sweep.folder.path.name for sweep in sweeps)
    write_report(comparison, folder, f"Comparison of {names}", network_of, running=running)
    return comparison


def _pairs_of(sweep: Sweep) -> list[Pair]:
    """Return the pairs of ranker and rule of a sweep, the main one first."""
    pairs = itertools.product(rankings_of(sweep), rules_of(sweep))
    return [Pair(ranking, rule) for ranking, rule in pairs if rule != SKIP_FREE]
