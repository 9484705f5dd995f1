"""What every arm costs, and which reach their accuracy at no more than others pay.

Source: ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CostRow:
    """One arm: its costs, means over search seeds, and what it reaches.

    Attributes:
        n: number of search seeds.
        search_seconds: None where unknown, as all below.
        ranking_seconds: of ranking and allocating channels; None for a searched arm.
        search_device: names of the processors or GPUs.
        peak_bytes: most memory that any search or retraining held.
        on_front: whether no arm of the same space, data, protocol and devices has at least its accuracy for less time
            of search, ranking and retraining together; None where the time is unknown.
    """

    method: str
    skip: str
    space: str
    data: str
    setting: str
    protocol: str
    epochs: int
    n: int
    search_seconds: float | None
    ranking_seconds: float | None
    evaluation_seconds: float
    search_device: str | None
    evaluation_device: str | None
    peak_bytes: float | None
    parameters: float
    macs: float
    test_accuracy: float
    on_front: bool | None
