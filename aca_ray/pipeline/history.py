"""History of a search's architecture by epoch, small enough for its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_DECIMALS = 4  # enough for plots; exact weights are in the milestones


def epoch_architecture(
    genotype: Mapping[str, Any], alphas: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the architecture of an epoch for its row: genotype, rounded mixing weights per cell type, candidates.

    Args:
        genotype: genotype derived from the epoch, as JSON.
        alphas: mixing weights per cell type, and the names of the candidates; weights beyond an edge's candidates are
            padding and left out.
        rows: rows of the epochs before; `candidates` is returned only if it differs from the last one in them.
    """
    # Lists, as in a checkpoint: else a resumed search would repeat the candidates.
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
