"""History of a search's architecture by epoch, small enough for its record."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.records import Architecture, MixingWeights, SearchRow
from aca_ray.space import Genotype

_DECIMALS = 4  # enough for plots; exact weights are in the milestones


def epoch_architecture(genotype: Genotype, mixing: MixingWeights, rows: Sequence[SearchRow]) -> Architecture:
    """Return the architecture of an epoch for its row: genotype, rounded mixing weights per cell type, candidates.

    Args:
        genotype: genotype derived from the epoch.
        mixing: mixing weights and the names of the candidates; weights beyond an edge's candidates are padding and left
            out.
        rows: rows of the epochs before; `candidates` is given only if it differs from the last one in them.
    """
    weights = {"normal": mixing.normal, "reduce": mixing.reduce}
    rounded = {
        cell_type: tuple(
            tuple(round(weight, _DECIMALS) for weight in edge[: len(names)])
            for edge, names in zip(weights[cell_type], edges, strict=True)
        )
        for cell_type, edges in mixing.candidates.items()
    }
    named = (row.architecture.candidates for row in reversed(rows) if row.architecture is not None)
    known = next((candidates for candidates in named if candidates is not None), None)
    return Architecture(genotype, rounded, None if known == mixing.candidates else mixing.candidates)
