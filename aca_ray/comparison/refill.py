"""Where a skip connection refills channels: per stage and per edge, over seeds.

Source: ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class RefillRow:
    """Refilled share of one stage, or of one edge in it, over search seeds.

    Attributes:
        epoch: the milestone, counted from 1.
        stage: 0 to 4.
        edge: as "normal 0->2"; None for the mean over the stage's kept edges.
        n: number of search seeds that keep the edge.
        refilled_mean: 1 - kept share, in [0, 1].
        refilled_low: lower end of the 95 % interval of the mean, as a `Summary` has it; None where it has none.
    """

    method: str
    space: str
    data: str
    setting: str
    epochs: int
    ranking: str
    allocation: str
    epoch: int
    stage: int
    edge: str | None
    n: int
    refilled_mean: float
    refilled_low: float | None
    refilled_high: float | None
