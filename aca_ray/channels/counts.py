"""Number of channels that an edge's operation keeps, from their scores; it keeps the best."""

from __future__ import annotations

import math
from collections.abc import Sequence


def sign(scores: Sequence[float], strength: float) -> int:
    """Return the number of positive scores, in [0, C].

    With `taylor_identity`, a channel goes to the skip if the skip would not raise the loss, to first order. Scores that
    are always positive keep everything.

    Source: ours.
    """
    return sum(score > 0.0 for score in scores)


def participation(scores: Sequence[float], strength: float = 1.0) -> int:
    """Return the effective number of channels behind a set of scores; negative ones count as zero.

    Returns:
        An integer in [0, C]: C when all scores are equal, 1 when one dominates, 0 when none is positive.

    Source: ours; the participation ratio (sum s)^2 / sum s^2 of physics, rounded half to even.
    """
    largest = max(scores)
    if largest <= 0.0:
        return 0
    # Relative to the largest, so that the squares of tiny scores do not vanish.
    positive = [max(score, 0.0) / largest for score in scores]
    return round(math.fsum(positive) ** 2 / math.fsum(share * share for share in positive))


def proportional_to_strength(scores: Sequence[float], strength: float) -> int:
    """Return C times the operation's share of the edge's mixing weights, rounded half to even.

    Source: ours.
    """
    return round(strength * len(scores))


def otsu(scores: Sequence[float], strength: float) -> int:
    """Return the number of scores above the split with the largest variance between the two sides.

    Of equally good splits, the one that keeps more wins. If all scores are equal, all are kept.

    Source: Otsu 1979, equation 18, on the scores themselves instead of a histogram.
    """
    ordered = sorted(scores, reverse=True)
    num_scores, total = len(ordered), math.fsum(ordered)
    best_variance, best_count, above = 0.0, num_scores, 0.0
    for count in range(1, num_scores):
        above += ordered[count - 1]
        if ordered[count - 1] == ordered[count]:
            continue  # a threshold cannot separate equal scores
        below = num_scores - count
        variance = count * below * (above / count - (total - above) / below) ** 2
        if variance >= best_variance:
            best_variance, best_count = variance, count
    return best_count


def keep_all(scores: Sequence[float], strength: float) -> int:
    """Return C. Source: ours, the control without refilling."""
    return len(scores)
