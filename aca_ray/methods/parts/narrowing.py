"""Spaces with other candidates, for the start of a stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from aca_ray.nn.mixing import Mixing
from aca_ray.space.candidates import NONE
from aca_ray.space.spaces import EdgeCandidates, Space
from aca_ray.space.topology import CELL_TYPES, CellType


def with_candidates(space: Space, choose: Callable[[CellType, int], EdgeCandidates]) -> Space:
    """Return the space with the candidates that `choose` returns for (cell type, edge index)."""
    normal, reduce = (
        tuple(choose(cell_type, edge) for edge in range(len(space.candidates(cell_type)))) for cell_type in CELL_TYPES
    )
    return replace(space, normal=normal, reduce=reduce)


def keep_strongest(mixing: Mixing, space: Space, count: Callable[[CellType, int], int]) -> Space:
    """Return the space with the candidates of every edge whose mixing weights are largest, in column order.

    Ties go to the earlier candidates. `none` competes like the others, but is never the only one left on an edge that
    offers another candidate.

    Args:
        mixing: settled mixing weights.
        space: the space of the mixing weights.
        count: maps (cell type, edge index) to the number of candidates that stay, at least 1.

    Source: Chen et al. 2019 (P-DARTS), section 3.2, and Chen et al. 2021 (DrNAS), section 3.2; the rule for `none` is
    ours.
    """

    def strongest(cell_type: CellType, edge: int) -> EdgeCandidates:
        names = space.candidates(cell_type)[edge]
        weights = dict(zip(names, mixing.cell(cell_type).operations[edge].tolist(), strict=False))
        ranked = sorted(names, key=lambda name: -weights[name])  # sorted is stable
        kept = ranked[: count(cell_type, edge)]
        if kept == [NONE]:
            kept = ranked[1:2] or kept
        return tuple(name for name in names if name in kept)

    return with_candidates(space, strongest)
