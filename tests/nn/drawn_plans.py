"""Channel plans that keep drawn channels."""

from __future__ import annotations

import random

from aca_ray.space import ChannelPlan, EdgePlan, Genotype
from aca_ray.space.topology import NUM_STAGES, stage_cell_type


def drawn_plan(genotype: Genotype, share: float, channels: int = 8) -> ChannelPlan:
    """Return a plan that keeps a share of the channels of every edge, drawn at random with a fixed seed."""
    draw = random.Random(0)

    def edge() -> EdgePlan:
        return EdgePlan(share, tuple(draw.sample(range(channels), channels)))

    stages = (genotype.cell(stage_cell_type(stage)).edges for stage in range(NUM_STAGES))
    return ChannelPlan("drawn", "drawn", tuple(tuple(edge() for _ in edges) for edges in stages))
