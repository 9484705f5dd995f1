"""What a search's architecture was epoch by epoch, small enough to be kept in its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_DECIMALS = 4  # what a plot can show; exact weights are in the milestones


def epoch_architecture(
    genotype: Mapping[str, Any], alphas: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the architecture of an epoch for its row: genotype, rounded mixing weights per cell type, candidates.

    Args:
        genotype: the genotype that the epoch would derive, as JSON.
        alphas: mixing weights per cell type, and the names of the candidates; an edge's weights beyond its candidates
            stand for nothing and are left out.
        rows: of the epochs before; `candidates` is only returned where it differs from the last that they hold.
    """
    # Lists, as they come back from a checkpoint: else a search that was taken up again would repeat them.
    candidates = {cell_type: [list(names) for names in edges] for cell_type, edges in alphas["candidates"].items()}
    mixing = {
        cell_type: [
            [round(weight, _DECIMALS) for weight in edge[: len(names)]]
            for edge, names in zip(alphas[cell_type], edges, strict=True)
        ]
        for cell_type, edges in candidates.items()
    }
    architecture = {"genotype": genotype, "mixing": mixing}
    known = (row["architecture"]["candidates"] for row in reversed(rows) if "candidates" in row.get("architecture", {}))
    return architecture if next(known, None) == candidates else {**architecture, "candidates": candidates}
