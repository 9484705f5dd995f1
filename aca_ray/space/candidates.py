"""The names of the candidate operations.

Source: Liu et al. 2019 (DARTS), section 3.1; `noise` from Zela et al. 2020 (space S4).
"""

from __future__ import annotations

NONE = "none"
SKIP = "skip_connect"

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
PARAMETRIC: frozenset[str] = frozenset({"sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3", "dil_conv_5x5"})
CANDIDATES: frozenset[str] = frozenset({*DARTS_CANDIDATES, "noise"})
