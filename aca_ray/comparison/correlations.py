"""Whether the accuracy of the supernet foretells that of the retrained network.

Source: ours.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CorrelationRow:
    """Final search_valid accuracy against retrained test accuracy, over search seeds and budgets.

    Attributes:
        n: number of pairs: one per search seed and budget; retrainings are averaged first.
        kendall_tau: tau-b, in [-1, 1]; None below 3 pairs and where one side is constant.
        pvalue: two-sided, of independent pairs; None likewise.
    """

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    skip: str
    n: int
    kendall_tau: float | None
    pvalue: float | None
