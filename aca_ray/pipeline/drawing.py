"""Pictures of what was found, beside the files that they show."""

from __future__ import annotations

from aca_ray.pipeline.layout import plan_path
from aca_ray.pipeline.network_files import read_genotype, read_plan
from aca_ray.report.cells import draw_genotype
from aca_ray.report.mixing import draw_mixing
from aca_ray.space import Genotype
from aca_ray.storage import StoragePath, TrialRecord


def draw_allocation(folder: StoragePath, rule: str) -> None:
    """Draw genotype.svg into a milestone's allocation folder, with the plan of a rule, unless it is there."""
    picture = folder / "genotype.svg"
    if not picture.exists():
        genotype = read_genotype(folder / "genotype.json")
        draw_genotype(genotype, picture, read_plan(plan_path(folder, rule), genotype))


def draw_search(record: TrialRecord, folder: StoragePath) -> None:
    """Draw genotype.svg and mixing.svg into a search's folder once it has finished, unless they are there."""
    if record.kind != "search" or record.state != "finished":
        return
    if record.genotype is not None and not (folder / "genotype.svg").exists():
        draw_genotype(Genotype.from_json(record.genotype), folder / "genotype.svg")
    if record.alphas is not None and not (folder / "mixing.svg").exists():
        draw_mixing(dict(record.alphas), folder / "mixing.svg")
