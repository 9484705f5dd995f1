"""Where the numbers of a sweep come from.

Source: ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ProvenanceRow:
    """One fact about a sweep, in words."""

    sweep: str
    topic: str
    value: str
