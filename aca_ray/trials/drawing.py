"""Pictures of genotypes, plans and mixing weights, beside the files that they show."""

from __future__ import annotations

from aca_ray.records import AllocationFolder, TrialFolder, TrialRecord
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
        draw_mixing(vars(record.mixing), folder.mixing_picture)
