"""The names of the candidate operations.

Source: Liu et al. 2019 (DARTS), section 3.1; `noise` from Zela et al. 2020 (space S4); `nor_conv` and plain
pooling from Dong & Yang 2020 (NAS-Bench-201).
"""

from __future__ import annotations

NONE = "none"
SKIP = "skip_connect"
PLAIN = "plain_"  # prefix of poolings without a batch norm in the supernet

# The canonical order is the column order of the architecture parameters.
DARTS_CANDIDATES: tuple[str, ...] = (
    NONE,
    "max_pool_3x3",
    "avg_pool_3x3",
    SKIP,
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
NASBENCH201_CANDIDATES: tuple[str, ...] = (NONE, SKIP, "nor_conv_1x1", "nor_conv_3x3", f"{PLAIN}avg_pool_3x3")
PARAMETRIC: frozenset[str] = frozenset(
    {"sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5", "nor_conv_1x1", "nor_conv_3x3"}
)
# All operations, in an order that agrees with the column order of every registered space.
ALL_CANDIDATES: tuple[str, ...] = tuple(dict.fromkeys(("noise", *DARTS_CANDIDATES, *NASBENCH201_CANDIDATES)))
CANDIDATES: frozenset[str] = frozenset(ALL_CANDIDATES)


def published_name(operation: str) -> str:
    """Return the name of an operation in papers and architecture strings."""
    return operation.removeprefix(PLAIN)
