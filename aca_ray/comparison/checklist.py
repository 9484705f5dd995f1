"""The checklist for experiments in architecture search, filled in as far as a sweep can know.

Source: ours; the items are those of Lindauer & Hutter 2020 (JMLR 21(243)).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ChecklistItem:
    """One item.

    Attributes:
        item: what is asked, in our words.
        answer: `yes`, `partly`, `no`, or `for you to answer`.
        evidence: what the answer rests on, or what is left to say.
    """

    item: str
    answer: str
    evidence: str
