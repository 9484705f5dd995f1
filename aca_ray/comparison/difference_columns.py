"""A paired difference as the columns of a machine-readable row."""

from __future__ import annotations

from typing import Any

from aca_ray.comparison.statistics import PairedDifference

_NAMES = ("mean", "sd", "low", "high", "t_pvalue", "wilcoxon_pvalue", "superiority", "effect_size", "detectable")


def difference_columns(difference: PairedDifference | None) -> dict[str, Any]:
    """Return the columns by name; without a difference, n is 0 and all others are None."""
    columns = {f"difference_{name}": getattr(difference, name, None) for name in _NAMES}
    return {"difference_n": difference.n if difference else 0, **columns}
