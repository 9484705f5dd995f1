"""The rows of a sweep: those of its trials' files, and the number of trials that have not ended."""

from __future__ import annotations

from dataclasses import replace

from aca_ray.comparison import SweepRows, read_sweep
from aca_ray.sweep.growing import abandoned
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import all_orders


def rows_of(sweep: Sweep) -> SweepRows:
    """Return the rows of a sweep; trials that wait for their turn count as unfinished.

    Raises:
        ConfigError: files are malformed; names all of them.
    """
    rows = read_sweep(sweep.folder, abandoned(sweep))
    ended = {row.fingerprint for row in rows.trials if row.state != "running"}
    return replace(rows, unfinished=sum(order.trial.fingerprint not in ended for order in all_orders(sweep)))
