"""How many searches of one process fit into a GPU's memory."""

from __future__ import annotations

SAFE_SHARE = 0.9  # ours: of free memory; fragments, and what later steps need beyond the measured ones, have the rest


def searches_that_fit(free_bytes: int, one_bytes: int, further_bytes: int, share: float = SAFE_SHARE) -> int:
    """Return how many searches fit, at least 1: of one it is for the search to say that it doesn't.

    Args:
        free_bytes: memory that the process may take.
        one_bytes: memory of a search alone.
        further_bytes: what every further one adds, at least 1.
        share: of the free memory that is to be taken at most, in (0, 1].
    """
    return max(1, 1 + int(share * free_bytes - one_bytes) // further_bytes)
