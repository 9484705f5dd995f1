"""Curves of searches, epoch by epoch, which reveal collapse.

Source: Zela et al. 2020 for skip connections and the train/valid gap as signs of collapse.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from aca_ray.comparison.rows import CurveRow

_ORDER = attrgetter("space", "data", "setting", "method", "skip", "epochs", "seed", "epoch")


def collapse_rows(curves: Iterable[CurveRow]) -> tuple[CurveRow, ...]:
    """Return every epoch of every search once, even if several sweeps share it, sorted by search and epoch."""
    distinct = {(row.search, row.epoch): row for row in curves}
    return tuple(sorted(distinct.values(), key=_ORDER))
