"""Curves of searches, epoch by epoch, which reveal collapse.

Source: Zela et al. 2020 for skip connections and the train/valid gap as signs of collapse.
"""

from __future__ import annotations

from collections.abc import Iterable

from aca_ray.comparison.rows import CurveRow

CollapseRow = CurveRow


def collapse_rows(curves: Iterable[CurveRow]) -> tuple[CollapseRow, ...]:
    """Return every epoch of every search once, even if several sweeps share it, sorted by search and epoch."""
    distinct = {(row.search, row.epoch): row for row in curves}
    return tuple(
        sorted(
            distinct.values(),
            key=lambda row: (row.space, row.data, row.setting, row.method, row.skip, row.epochs, row.seed, row.epoch),
        )
    )
