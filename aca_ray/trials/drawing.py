"""Pictures of genotypes, plans and mixing weights, beside the files that they show."""

from __future__ import annotations

from typing import Any

from aca_ray.records import AllocationFolder, MixingWeights, TrialFolder, TrialRecord
from aca_ray.report.cells import draw_genotype
from aca_ray.report.mixing import draw_mixing
from aca_ray.trials.network_files import read_genotype, read_plan


def draw_allocation(folder: AllocationFolder, rule: str) -> None:
    """Draw the genotype of a milestone with the plan of a rule, unless the picture exists."""
    if not folder.picture.exists():
        genotype = read_genotype(folder.genotype)
        draw_genotype(genotype, folder.picture, read_plan(folder.plan(rule), genotype))


def draw_search(record: TrialRecord, folder: TrialFolder) -> None:
    """Draw the cells and mixing weights of a finished search, unless the pictures exist."""
    if record.kind != "search" or record.state != "finished":
        return
    if record.genotype is not None and not folder.genotype_picture.exists():
        draw_genotype(record.genotype, folder.genotype_picture)
    if record.mixing is not None and not folder.mixing_picture.exists():
        draw_mixing(_unpadded(record.mixing), folder.mixing_picture)


def _unpadded(mixing: MixingWeights) -> dict[str, Any]:
    """Return mixing weights by cell type, and their candidates, without the padding of edges with fewer candidates."""
    weights: dict[str, Any] = {
        cell_type: tuple(row[: len(names)] for row, names in zip(getattr(mixing, cell_type), edges, strict=True))
        for cell_type, edges in mixing.candidates.items()
    }
    return {**weights, "candidates": mixing.candidates}
