"""OPP-DARTS: candidates join one by one, the same on all edges, each time the one with the largest loss."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from aca_ray.methods import darts
from aca_ray.methods.core import Stage
from aca_ray.methods.loss import batch_loss
from aca_ray.methods.parts.learning_rate import restarted_cosine
from aca_ray.methods.parts.narrowing import with_candidates
from aca_ray.methods.parts.refusals import cells_of_one_input, first_reason
from aca_ray.methods.views import StageStart, StageView
from aca_ray.nn.mixing import CellMixing, Mixing, candidate_mask
from aca_ray.nn.transfer import Transfer, same_candidates, same_names
from aca_ray.space.candidates import PARAMETRIC, SKIP
from aca_ray.space.spaces import DELETED, EdgeCandidates, Space
from aca_ray.space.topology import CellType

SEARCH_EPOCHS, GROWTH_EPOCHS, NUM_CANDIDATES = 50, 2, 8  # with 8 candidates, the first joins at epoch 0, the skip at 14


def stage_epochs(num_candidates: int) -> tuple[int, ...]:
    """Return the lengths of the stages: as many as the candidates of the DARTS space, or more if the space has more.

    Source: Zhu et al. 2023 (OPP-DARTS), official code; other numbers of candidates are ours.
    """
    num_growing = max(NUM_CANDIDATES, num_candidates) - 1
    return (GROWTH_EPOCHS,) * num_growing + (SEARCH_EPOCHS - GROWTH_EPOCHS * num_growing,)


def not_uniform(space: Space) -> str | None:
    """Refuse spaces whose edges differ, or that offer no operation with weights.

    Source: Zhu et al. 2023 (OPP-DARTS), official code, where an operation joins all edges and the first has weights.
    """
    offered = {space.candidates(kind)[edge] for kind in space.cell_types for edge in space.present(kind)}
    if len(offered) > 1:
        listed = " and ".join(f"[{', '.join(names)}]" for names in sorted(offered)[:2])
        return f"has edges that offer different operations, such as {listed}, but every operation joins all edges"
    if not PARAMETRIC.intersection(*offered):
        return f"offers no operation with weights to begin with, such as {', '.join(sorted(PARAMETRIC))}"
    return None


def uniform(space: Space, names: EdgeCandidates) -> Space:
    """Return the space with the same candidates on every edge that is not deleted."""

    def candidates(cell_type: CellType, edge: int) -> EdgeCandidates:
        return names if edge in space.present(cell_type) else DELETED

    return with_candidates(space, candidates)


def extended_mixing(view: StageView, space: Space) -> Mixing:
    """Return the mixing weights over a space's candidates; new ones have the logit 0, the mean of their draw.

    Source: Zhu et al. 2023 (OPP-DARTS), official code, where the logits are drawn.
    """

    def cell(cell_type: CellType) -> CellMixing:
        alpha = view.parameters[f"alpha_{cell_type}"]
        zeros = alpha.new_zeros(candidate_mask(space, cell_type).shape)
        return CellMixing(same_candidates(view.space, space, cell_type, alpha, zeros).softmax(dim=1))

    return Mixing(normal=cell("normal"), reduce=cell("reduce"))


def hardest(
    view: StageView, choices: Iterable[EdgeCandidates], trained: Mapping[str, Tensor]
) -> tuple[EdgeCandidates, dict[str, Tensor]]:
    """Return the choice with the largest loss on search_train, the first of equals, and its network's state.

    The loss is the mean over batches; every choice is measured on a separate pass, augmented and shuffled.

    Args:
        view: the search at the start of the stage.
        choices: candidates of all edges.
        trained: initial state of the network of each choice; everything else is fresh.

    Source: Zhu et al. 2023 (OPP-DARTS), official code.
    """

    @torch.no_grad()
    def measured(names: EdgeCandidates) -> tuple[float, EdgeCandidates, dict[str, Tensor]]:
        space = uniform(view.space, names)
        network, mixing = view.build(space), extended_mixing(view, space)
        network.load_state_dict(same_names(trained, network.state_dict()))
        losses = [batch_loss(network(images, mixing), labels) for images, labels in view.augmented_train_batches()]
        return float(torch.stack(losses).mean()), names, network.state_dict()

    _, names, state = max(map(measured, choices), key=lambda measurement: measurement[0])  # max keeps the first
    return names, state


def stages(space: Space) -> tuple[Stage, ...]:
    """Return a stage per operation that joins; the skip joins one stage after the last other operation.

    In the official code it does not join together with the last one, because it waits for an epoch beyond
    `add_op_epoch * candidate_op`.

    Source: Zhu et al. 2023 (OPP-DARTS), official code.
    """
    whole = space.normal[0]
    pool = [name for name in whole if name != SKIP]

    def grown(names: EdgeCandidates, weights: Transfer) -> StageStart:
        return StageStart(uniform(space, names), weights=weights, keep_architecture=True)

    def measured(view: StageView, choices: Iterable[EdgeCandidates], trained: Mapping[str, Tensor]) -> StageStart:
        names, state = hardest(view, choices, trained)
        return grown(names, lambda old, new: same_names(state, new))

    def first(view: StageView) -> StageStart:
        return measured(view, [(name,) for name in pool if name in PARAMETRIC], {})

    def grow(view: StageView) -> StageStart:
        present = view.space.normal[0]
        choices = [(*present, name) for name in pool if name not in present]
        if choices:
            return measured(view, choices, view.network.state_dict())
        if len(present) < len(whole):
            return grown((*present, SKIP), same_names)
        return StageStart(view.space, same_names, keep_momentum=True, keep_architecture=True, keep_moments=True)

    lengths = stage_epochs(len(whole))
    return tuple(Stage(epochs, begin=grow if number else first) for number, epochs in enumerate(lengths))


METHOD = replace(
    darts.METHOD,
    name="opp_darts",
    title="OPP-DARTS",
    source="Zhu et al. 2023, arXiv 2302.05632, and its official code",
    differs=(
        "compares candidates with the whole network in training mode (the official code leaves the old cells in "
        "evaluation mode); the learning rate restarts even if no candidate is left to join; with more than 8 "
        "candidates, growth takes longer and the last stage is shorter"
    ),
    changes="candidates join one by one, each time the one with the largest training loss",
    learning_rate=restarted_cosine,
    stages=stages,
    refuses=first_reason(cells_of_one_input, not_uniform),
)
