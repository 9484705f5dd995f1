"""Pictures of what was found, beside the files that they show.

What draws takes seconds to import: only a process that draws does it.
"""

from __future__ import annotations

from aca_ray.pipeline.layout import plan_path
from aca_ray.space import ChannelPlan, Genotype
from aca_ray.storage import StoragePath, TrialRecord, read_json


def draw_allocation(folder: StoragePath, rule: str) -> None:
    """Draw genotype.png into a milestone's allocation folder, with the plan of a rule, unless it is there."""
    from aca_ray.report import draw_genotype

    picture = folder / "genotype.png"
    if not picture.exists():
        genotype = Genotype.from_json(read_json(folder / "genotype.json"))
        draw_genotype(genotype, picture, ChannelPlan.from_json(read_json(plan_path(folder, rule))))


def draw_search(record: TrialRecord, folder: StoragePath) -> None:
    """Draw genotype.png and mixing.png into a search's folder once it has finished, unless they are there."""
    if record.kind != "search" or record.state != "finished":
        return
    from aca_ray.report import draw_genotype, draw_mixing

    if record.genotype is not None and not (folder / "genotype.png").exists():
        draw_genotype(Genotype.from_json(record.genotype), folder / "genotype.png")
    if record.alphas is not None and not (folder / "mixing.png").exists():
        draw_mixing(dict(record.alphas), folder / "mixing.png")
