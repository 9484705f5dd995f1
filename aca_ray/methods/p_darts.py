"""P-DARTS: three stages with deeper networks and fewer candidates, and a limit on skip connections."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Annotated

from aca_ray.methods.core import SearchMethod, Stage
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.arch_gradient import first_order
from aca_ray.methods.parts.learning_rate import cosine_over_stage
from aca_ray.methods.parts.narrowing import keep_strongest
from aca_ray.methods.parts.refusals import cells_of_one_input
from aca_ray.methods.parts.relaxation import softmax_operations
from aca_ray.methods.parts.skip_cap import top_two_with_few_skips
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.settings import Bounds
from aca_ray.methods.views import StageStart, StageView
from aca_ray.nn.edges import skip_dropout
from aca_ray.space.spaces import Space

STAGE_EPOCHS = 25
INITIAL_DROPOUT = (0.1, 0.4, 0.7)  # per stage; from the command in the official README
PLATEAU_EPOCHS, DECAY = 10, 0.2


def dropout(moment: Moment) -> float:
    """Return the probability that an element of an identity's output is dropped.

    In epoch e of 25 of a stage, it is the initial one times (25 - e - 1) / 25 if e < 10, else exp(-0.2 (e - 10)).

    Source: Chen et al. 2019 (P-DARTS), official code.
    """
    epoch = STAGE_EPOCHS * moment.stage_progress
    if epoch < PLATEAU_EPOCHS:
        share = (STAGE_EPOCHS - epoch - 1) / STAGE_EPOCHS
    else:
        share = math.exp(-DECAY * (epoch - PLATEAU_EPOCHS))
    return INITIAL_DROPOUT[moment.stage] * share


def stages(space: Space) -> tuple[Stage, ...]:
    """Return stages of 5, 11 and 17 cells for a network of 8, with 8, 5 and 3 of 8 candidates on every edge.

    Each stage starts from scratch, except for the candidates.

    Source: Chen et al. 2019 (P-DARTS), section 4.2.1; the shares of other numbers of candidates, rounded up, are ours.
    """

    def left(eighths: int) -> Callable[[StageView], StageStart]:
        """Return a function that begins a stage with this many eighths of an edge's initial candidates."""
        return lambda view: StageStart(
            keep_strongest(
                view.mixing,
                view.space,
                lambda cell_type, edge: math.ceil(len(space.candidates(cell_type)[edge]) * eighths / 8),
            )
        )

    return (
        Stage(STAGE_EPOCHS, depth=5 / 8),
        Stage(STAGE_EPOCHS, begin=left(5), depth=11 / 8),
        Stage(STAGE_EPOCHS, begin=left(3), depth=17 / 8),
    )


def build(*, max_skips: Annotated[int, Bounds(0, 8)] = 2) -> SearchMethod:
    """Return P-DARTS with a limit on the normal cell's skip connections. Source: Chen et al. 2019, section 3.3."""
    return SearchMethod(
        name="p_darts",
        title="P-DARTS",
        source="Chen et al. 2019, arXiv 1904.12760, and its official code, with the dropout of its README",
        differs="the numbers of cells and candidates scale with those of the network and the space",
        changes="three stages: deeper networks, fewer candidates; dropout after skips; at most 2 skips",
        relax_operations=softmax_operations,
        build_edge=skip_dropout,
        edge_strength=dropout,
        draw_valid=None,
        arch_gradient=first_order,
        derive=partial(top_two_with_few_skips, max_skips=max_skips),
        learning_rate=cosine_over_stage,
        stages=stages,
        refuses=cells_of_one_input,
        recipe=Recipe(batch_size=96, weight_lr_min=0.0, arch_lr=6e-4, arch_clip_norm=5.0, arch_start=10 / STAGE_EPOCHS),
    )


METHOD = build()
