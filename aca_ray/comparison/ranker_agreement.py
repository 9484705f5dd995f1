"""Whether two rankers find the same channels important, where two sweeps ranked one search by two of them.

Source: ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RankerAgreementRow:
    """Agreement of two rankers at one milestone, over search seeds.

    Attributes:
        epoch: the milestone, counted from 1.
        ranking_a: the first of the two by name.
        n: number of searches that both ranked.
        kendall_tau_mean: of the channel scores, in [-1, 1]; None where no search has one.
        kendall_tau_low: lower end of the 95 % interval of the mean, as a `Summary` has it; None where it has none.
    """

    method: str
    space: str
    data: str
    setting: str
    epochs: int
    epoch: int
    ranking_a: str
    ranking_b: str
    n: int
    kendall_tau_mean: float | None
    kendall_tau_low: float | None
    kendall_tau_high: float | None
