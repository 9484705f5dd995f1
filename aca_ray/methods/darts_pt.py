"""DARTS-PT: after a DARTS search, the supernet's accuracy decides edge by edge, not the architecture parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from aca_ray.methods import darts
from aca_ray.methods.core import Stage
from aca_ray.methods.parts.decisions import Decision, decide_inputs, decide_operation
from aca_ray.methods.parts.learning_rate import tenth_after_first_stage
from aca_ray.methods.parts.narrowing import with_candidates
from aca_ray.methods.parts.sampling import fresh_batch
from aca_ray.methods.views import StageStart, StageView
from aca_ray.nn.transfer import same_names
from aca_ray.space.spaces import EdgeCandidates, Space
from aca_ray.space.topology import KEPT_PER_NODE, CellType

TUNING_EPOCHS = 5


def after(decide: Decision, *, keep_momentum: bool) -> Callable[[StageView], StageStart]:
    """Return a function that begins a stage with one decision per cell type, in turn, and changes nothing else.

    Source: Wang et al. 2021 (DARTS-PT), official code.
    """

    def begin(view: StageView) -> StageStart:
        space, mixing = view.space, view.mixing
        decided: dict[tuple[CellType, int], EdgeCandidates] = {}
        for cell_type in space.cell_types:
            for edge, left in decide(view, mixing, cell_type).items():
                row = torch.zeros_like(mixing.cell(cell_type).operations[edge])
                row[[column for column, name in enumerate(space.candidates(cell_type)[edge]) if name in left]] = 1.0
                mixing = mixing.with_row(cell_type, edge, row)
                decided[cell_type, edge] = left
        return StageStart(
            with_candidates(
                space, lambda cell_type, edge: decided.get((cell_type, edge), space.candidates(cell_type)[edge])
            ),
            weights=same_names,
            keep_momentum=keep_momentum,
            keep_architecture=True,
            keep_moments=True,
        )

    return begin


def stages(space: Space) -> tuple[Stage, ...]:
    """Return the stage of the search, then one stage per decision, which tunes the supernet after it.

    Source: Wang et al. 2021 (DARTS-PT), official code.
    """
    topology = space.topology
    decisions: list[Decision] = [decide_operation] * len(topology.edges)
    if topology.num_inputs == 1:
        search_epochs, last_epochs = 100, (TUNING_EPOCHS - 1, 1)
    else:
        search_epochs, last_epochs = 50, (TUNING_EPOCHS, 1)
        decisions += [decide_inputs] * sum(
            len(topology.incoming(node)) > KEPT_PER_NODE for node in topology.intermediate_nodes
        )
    lengths = (TUNING_EPOCHS,) * (len(decisions) - 2) + last_epochs
    tunings = (
        Stage(epochs, begin=after(decide, keep_momentum=number > 0))
        for number, (epochs, decide) in enumerate(zip(lengths, decisions, strict=True))
    )
    return (Stage(search_epochs), *tunings)


METHOD = replace(
    darts.METHOD,
    name="darts_pt",
    title="DARTS-PT",
    source="Wang et al. 2021, arXiv 2108.04392, and its official code",
    differs="never selects `none` in cells of two inputs; draws the training images while it tunes, too, where the "
    "official code passes over them",
    changes="decides the edges one by one after the search, by the supernet's accuracy without each candidate",
    draw_train=fresh_batch,
    learning_rate=tenth_after_first_stage,
    stages=stages,
)
