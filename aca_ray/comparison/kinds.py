"""Kinds of networks in a comparison: searched, skip-free, and allocated by a pair or one of its controls."""

from __future__ import annotations

from typing import NamedTuple

from aca_ray.comparison.rows import EvaluationRow
from aca_ray.errors import ConfigError

SEARCHED, SKIP_FREE, ALLOCATED = "searched", "skip-free", "allocated"
KEEP_ALL = "all"  # an allocation that refills nothing


class Pair(NamedTuple):
    """A channel ranker and an allocation rule."""

    ranking: str
    allocation: str

    @property
    def label(self) -> str:
        """The pair in words."""
        return f"{self.allocation} of {self.ranking}"


class Kind(NamedTuple):
    """The kind of one network in a group.

    Attributes:
        networks: `searched`, `skip-free` (searched without skips, nothing refilled) or `allocated`.
        pair: ranker and rule that allocated the channels; None unless allocated.
        control: control that changed the plan of the pair; None for the pair itself.
    """

    networks: str
    pair: Pair | None = None
    control: str | None = None


def kind_of(row: EvaluationRow) -> Kind:
    """Return the kind of a row, or raise ConfigError if its fields contradict each other."""
    if row.skip == SEARCHED:
        return Kind(SEARCHED)
    if row.allocation == KEEP_ALL and row.control is None:
        return Kind(SKIP_FREE)
    if row.ranking is None or row.allocation is None:
        raise ConfigError(
            f"evaluation {row.evaluation[:12]} of sweep {row.sweep}: skip {row.skip!r} needs ranking and allocation, "
            f"found {row.ranking!r} and {row.allocation!r}; run it again"
        )
    return Kind(ALLOCATED, Pair(row.ranking, row.allocation), row.control)
