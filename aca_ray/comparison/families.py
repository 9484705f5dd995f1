"""Families of tests: Holm's correction over comparisons that are read together.

Source: ours; Holm 1979.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from aca_ray.comparison.statistics import PairedDifference, holm


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What is compared, with the test of its difference.

    Attributes:
        difference: in test accuracy; None where nothing could be paired.
        holm_pvalue: the difference's t-test p-value, adjusted for the size of its family; None without a test.
    """

    difference: PairedDifference | None
    holm_pvalue: float | None = None


Member = TypeVar("Member", bound=Tested)


def adjusted(family: Iterable[Member]) -> list[Member]:
    """Return the comparisons with the p-values of their differences adjusted as one family."""
    members = list(family)
    pvalues = {
        index: member.difference.t_pvalue
        for index, member in enumerate(members)
        if member.difference is not None and member.difference.t_pvalue is not None
    }
    holm_pvalues = dict(zip(pvalues, holm(list(pvalues.values())), strict=True))
    return [replace(member, holm_pvalue=holm_pvalues.get(index)) for index, member in enumerate(members)]
