"""Conversion of a channel plan of whole edges to a genotype."""

from __future__ import annotations

from dataclasses import replace

from aca_ray.errors import ConfigError
from aca_ray.space.candidates import SKIP
from aca_ray.space.channel_plan import ChannelPlan
from aca_ray.space.genotype import CellGenotype, Genotype
from aca_ray.space.topology import NUM_STAGES, CellType, stage_cell_type


def whole_edge_genotype(genotype: Genotype, plan: ChannelPlan) -> Genotype:
    """Return a genotype in which every edge whose operation keeps no channel is a skip connection.

    Args:
        genotype: the cells that the plan is for.
        plan: every edge's operation keeps all channels or none, the same in all stages of a cell type.

    Raises:
        ConfigError: the plan belongs to another genotype, splits the channels of an edge, or treats an edge differently
            in two stages of its cell type.
    """
    plan.check_fits(genotype)
    return replace(
        genotype, normal=_refilled("normal", genotype.normal, plan), reduce=_refilled("reduce", genotype.reduce, plan)
    )


def _refilled(cell_type: CellType, cell: CellGenotype, plan: ChannelPlan) -> CellGenotype:
    stages = [stage for stage in range(NUM_STAGES) if stage_cell_type(stage) == cell_type]
    kept = list(cell.edges)
    for index, edge in enumerate(cell.edges):
        fractions = {plan.stages[stage][index].kept_fraction for stage in stages}
        if len(fractions) > 1 or not fractions <= {0.0, 1.0}:
            raise ConfigError(
                f"channel plan {plan.allocation}: edge {index} of the {cell_type} cell must keep all channels or none, "
                f"the same in all its stages, to be a genotype; found {sorted(fractions)}. Retrain the network instead"
            )
        if fractions == {0.0}:
            kept[index] = edge._replace(operation=SKIP)
    return replace(cell, edges=tuple(kept))
