"""Families of tests: Holm's correction over related comparisons.

Source: Holm 1979; the families are ours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

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


Member = TypeVar("Member", bound=Tested)


def adjusted(family: Iterable[Member]) -> list[Member]:
    """Return the comparisons with p-values adjusted as one family."""
    members = list(family)
    pvalues = {
        index: member.difference.t_pvalue
        for index, member in enumerate(members)
        if member.difference is not None and member.difference.t_pvalue is not None
    }
    holm_pvalues = dict(zip(pvalues, holm(list(pvalues.values())), strict=True))
    return [replace(member, holm_pvalue=holm_pvalues.get(index)) for index, member in enumerate(members)]
