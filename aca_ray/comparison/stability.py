"""Whether the channel ranks of one milestone hold at the next.

Source: ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class StabilityRow:
    """Agreement of a milestone with the one before, over search seeds.

    Attributes:
        epoch: the milestone, counted from 1.
        n: number of search seeds with an agreement.
        kendall_tau_mean: of the channel scores, in [-1, 1]; None where no seed has one.
        kendall_tau_low: lower end of the 95 % interval of the mean, as a `Summary` has it; None where it has none.
        jaccard_mean: overlap of the kept channels, in [0, 1], with an interval alike.
    """

    method: str
    space: str
    data: str
    setting: str
    epochs: int
    ranking: str
    epoch: int
    n: int
    kendall_tau_mean: float | None
    kendall_tau_low: float | None
    kendall_tau_high: float | None
    jaccard_mean: float | None
    jaccard_low: float | None
    jaccard_high: float | None
