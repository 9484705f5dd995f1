"""Derived cells as text for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

from aca_ray.columns import in_columns
from aca_ray.report.cells import CELL_NAMES
from aca_ray.space import CELL_TYPES, CellType, ChannelPlan, Genotype, stage_cell_type
from aca_ray.space.candidates import published_name

_BAR_WIDTH = 8
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def cell_text(genotype: Genotype, plan: ChannelPlan | None, widths: Mapping[int, int]) -> str:
    """Return the cells node by node, one line per edge; with a plan, bars show the channels that operations keep.

    Args:
        genotype: the derived cells.
        plan: the channel allocation, or None.
        widths: channels of an edge, by stage; only stages of the network.
    """
    cells = [cell_type for cell_type in CELL_TYPES if genotype.cell(cell_type).concat]
    return "\n\n".join(_cell(genotype, cell_type, plan, widths) for cell_type in cells)


def _cell(genotype: Genotype, cell_type: CellType, plan: ChannelPlan | None, widths: Mapping[int, int]) -> str:
    cell = genotype.cell(cell_type)
    stages = [stage for stage in widths if stage_cell_type(stage) == cell_type]
    rows = [["node", "from", "operation", *(f"stage {stage} keeps" for stage in stages if plan is not None)]]
    for index, edge in enumerate(cell.edges):
        row = [str(edge.target), str(edge.source), published_name(edge.operation)]
        if plan is not None:
            row += [_kept(plan.stages[stage][index].num_kept(widths[stage]), widths[stage]) for stage in stages]
        rows.append(row)
    outputs = ", ".join(map(str, cell.concat))
    return "\n".join([f"{CELL_NAMES[cell_type]}, output of {outputs}", *in_columns(rows)])


def _kept(kept: int, width: int) -> str:
    """Return a bar with its numbers, such as `███▌     7/16`."""
    eighths = round(8 * _BAR_WIDTH * kept / width)
    bar = "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()
    return f"{bar.ljust(_BAR_WIDTH)} {kept}/{width}"
