"""Families of tests: Holm's correction over related comparisons.

Source: Holm 1979.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.statistics import PairedDifference, holm


@dataclass(frozen=True, kw_only=True)
class Tested:
    """A comparison with the test of its difference.

    Attributes:
        difference: difference in test accuracy; None if nothing could be paired.
        holm_pvalue: p-value of the t test, adjusted within its family; None without a test.
    """

    difference: PairedDifference | None
    holm_pvalue: float | None = None

    @property
    def num_pairs(self) -> int:
        """Number of pairs behind the difference."""
        return self.difference.n if self.difference else 0


Member = TypeVar("Member", bound=Tested)


def adjusted(comparisons: Sequence[Member], family_of: Callable[[Member], Hashable]) -> list[Member]:
    """Return the comparisons with p-values adjusted within each family."""
    pvalues = {
        index: one.difference.t_pvalue
        for index, one in enumerate(comparisons)
        if one.difference is not None and one.difference.t_pvalue is not None
    }
    holm_pvalues: dict[int, float] = {}
    for indices in grouped(pvalues, lambda index: family_of(comparisons[index])).values():
        holm_pvalues |= zip(indices, holm([pvalues[index] for index in indices]), strict=True)
    return [replace(one, holm_pvalue=holm_pvalues.get(index)) for index, one in enumerate(comparisons)]
