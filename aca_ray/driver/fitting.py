"""Number of packed searches that fit into memory."""

from __future__ import annotations

SAFE_SHARE = 0.9  # ours: of free memory; the rest is for fragmentation and for later steps that need more


def searches_that_fit(free_bytes: int, one_bytes: int, further_bytes: int, share: float = SAFE_SHARE) -> int:
    """Return how many searches fit, at least 1: a single search that does not fit reports that itself.

    Args:
        free_bytes: memory available to the process.
        one_bytes: memory of a single search.
        further_bytes: memory that every further search adds, at least 1.
        share: largest share of the free memory to use, in (0, 1].
    """
    return max(1, 1 + int(share * free_bytes - one_bytes) // further_bytes)
