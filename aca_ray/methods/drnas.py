"""DrNAS: draws the mixing weights; a second stage searches more channels of fewer candidates."""

from __future__ import annotations

from dataclasses import replace
from math import lcm

from aca_ray.methods.core import SearchMethod, Stage, attached_mixing, one_stage
from aca_ray.methods.parts.arch_gradient import first_order
from aca_ray.methods.parts.derivation import top_two
from aca_ray.methods.parts.dirichlet import dirichlet_operations
from aca_ray.methods.parts.learning_rate import cosine_over_search, cosine_reset_by_stages
from aca_ray.methods.parts.narrowing import keep_strongest
from aca_ray.methods.parts.relaxation import softmax_operations
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.views import StageStart, StageView
from aca_ray.nn.edges import FullEdge, partial_channels
from aca_ray.nn.widening import duplicated_channels
from aca_ray.space.spaces import Space

FIRST_SHARE, SECOND_SHARE = 6, 4
NUM_KEPT = 4


def prune_and_widen(view: StageView) -> StageStart:
    """Return the four strongest candidates of every edge, widened, with their trained state.

    Source: Chen et al. 2021 (DrNAS), section 3.2, and its official code.
    """
    return StageStart(
        keep_strongest(view.mixing, view.space, lambda cell_type, edge: NUM_KEPT),
        duplicated_channels(view.generator),
        keep_momentum=True,
        keep_architecture=True,
        keep_moments=True,
    )


def stages(space: Space) -> tuple[Stage, ...]:
    """Return two stages of partial channels.

    Source: Chen et al. 2021 (DrNAS), section 4.1, and its official code.
    """
    return (
        Stage(epochs=25),
        Stage(epochs=25, begin=prune_and_widen, build_edge=partial_channels(SECOND_SHARE)),
    )


def on_one_input(method: SearchMethod) -> SearchMethod:
    """Return DrNAS for NAS-Bench-201: one stage of all channels, with the optimizer settings of DARTS.

    Source: Chen et al. 2021 (DrNAS), section 4.3 (there without progressive learning), and its official code.
    """
    return replace(
        method,
        build_edge=FullEdge,
        stages=one_stage,
        learning_rate=cosine_over_search,
        channel_divisor=1,
        weight_mixing=attached_mixing,
        recipe=Recipe(),
    )


METHOD = SearchMethod(
    name="drnas",
    title="DrNAS",
    source="Chen et al. 2021, arXiv 2006.10355, and its official code, with its default regularizer",
    differs=(
        "measures with softmax(alpha) instead of a draw; widening copies the same channels in all layers of an edge "
        "(the official code draws them layer by layer)"
    ),
    changes="draws mixing weights (Dirichlet); searches 1/6 of the channels, then 1/4 with the 4 best candidates",
    relax_operations=dirichlet_operations,
    settle_operations=softmax_operations,
    build_edge=partial_channels(FIRST_SHARE),
    arch_gradient=first_order,
    derive=top_two,
    learning_rate=cosine_reset_by_stages,
    stages=stages,
    channel_divisor=lcm(FIRST_SHARE, SECOND_SHARE),
    recipe=Recipe(weight_lr=0.1, weight_lr_min=0.0, arch_lr=6e-4, arch_start=10 / 25),
    one_input=on_one_input,
)
