"""How searches go, epoch by epoch: where collapse shows.

Source: ours; that skip connections and the train/valid gap tell of it is from Zela et al. 2020.
"""

from __future__ import annotations

from collections.abc import Iterable

from aca_ray.comparison.rows import CurveRow

CollapseRow = CurveRow


def collapse_rows(curves: Iterable[CurveRow]) -> tuple[CollapseRow, ...]:
    """Return every epoch of every search once, whatever number of sweeps share it, sorted by search and epoch."""
    distinct = {(row.search, row.epoch): row for row in curves}
    return tuple(
        sorted(
            distinct.values(),
            key=lambda row: (row.space, row.data, row.setting, row.method, row.skip, row.epochs, row.seed, row.epoch),
        )
    )
