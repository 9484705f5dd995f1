"""Labels of the look-ups in benchmark tables."""

from __future__ import annotations


def is_looked_up(label: str) -> bool:
    """Return whether the label of a network's trial is that of a look-up in a benchmark's table."""
    return label.startswith("table ")
