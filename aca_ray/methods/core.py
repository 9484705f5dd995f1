"""What a search method is: a frozen record of parts, each of which answers one question.

The search loop asks the parts and never reads the method's name.

| part | question |
|---|---|
| relax_operations | which mixing weights do the logits of an edge's candidates give in a step? |
| settle_operations | which without a draw: for measuring, deriving and ranking? |
| relax_edges | how are the edges into a node weighted? (None: a plain sum) |
| build_edge | what does one edge compute from its candidates? |
| build_head | what follows the last cell? (None: what the skeleton has there) |
| edge_strength | how strong is now what is scheduled inside the edges? |
| cutout | which share of the training images is now cut out? |
| draw_train, draw_valid | which images of search_train and search_valid does a step see? (None: the next of a pass) |
| arch_gradient | what is the gradient of the architecture parameters? |
| weight_mixing | which mixing weights does the weight step see? |
| penalties | what is added to the architecture loss? |
| learning_rate | which learning rate do the weights have now? |
| architecture_moves | is the architecture now updated? |
| stages | of which stages does the search consist, and with what does each begin? |
| monitor | does the search go on after an epoch? |
| derive | which genotype do the settled mixing weights stand for? |
| one_input | what does the official code change on cells of one input (NAS-Bench-201)? |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.derivation import every_edge
from aca_ray.methods.parts.freeze import after_share_of_stage
from aca_ray.methods.parts.learning_rate import cosine_over_search
from aca_ray.methods.parts.sampling import fresh_batch
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.views import (
    ArchitectureParameters,
    ArchState,
    ArchStep,
    EpochView,
    StageStart,
    StageView,
    Verdict,
    WeightStep,
)
from aca_ray.nn.edges import EdgeBuilder, FullEdge
from aca_ray.nn.mixing import CellMixing, Mixing, candidate_mask
from aca_ray.nn.supernet import HeadBuilder
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType, Topology
from aca_ray.transfer import to_device

INITIAL_STD = 1e-3  # Liu et al. 2019, official code
FEWEST_CELLS = 3

ArchGradient = Callable[[ArchStep], tuple[Tensor, ...]]
OperationRelaxation = Callable[[Tensor, Tensor, Moment], Tensor]
EdgeRelaxation = Callable[[Tensor, Topology], Tensor]
WeightMixing = Callable[[WeightStep], Mixing]
Penalty = Callable[[ArchState], Tensor]
Derivation = Callable[[Mixing, Space], Genotype]
# From (number of images N, batch size B, CPU generator) to the rows of a batch, int64 in 0..N-1.
Draw = Callable[[int, int, torch.Generator], Tensor]
Update = Literal["architecture", "weights"]


class Monitor(Protocol):
    """Watches a search epoch by epoch; keeps its history itself."""

    def after_epoch(self, view: EpochView) -> Verdict:
        """Return what becomes of the search after an epoch; None lets it go on."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the history as nested dicts and lists of tensors and plain values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a history that `state_dict` returned."""
        ...


@dataclass(frozen=True)
class Stage:
    """A part of a search with a supernet of its own.

    Attributes:
        epochs: length at the paper's budget; scales with the budget.
        begin: returns with what the stage begins; None goes on as it is, for which the stage must build what the one
            before it builds.
        build_edge: what an edge computes; None for the method's.
        depth: number of cells as a multiple of the network's.
    """

    epochs: int
    begin: Callable[[StageView], StageStart] | None = None
    build_edge: EdgeBuilder | None = None
    depth: float = 1.0


def one_stage(space: Space) -> tuple[Stage, ...]:
    """Return the stages of a search that is the same from beginning to end."""
    return (Stage(epochs=1),)


def drawn_mixing(step: WeightStep) -> Mixing:
    """Return the mixing weights as the architecture step sees them, drawn anew where they are drawn."""
    return step.mixing().detach()


def attached_mixing(step: WeightStep) -> Mixing:
    """Return the same as `drawn_mixing` inside the autograd graph.

    The bound on the gradient's norm then counts the gradient of the architecture parameters too, and where the weights
    are updated first, on top of what the last architecture step left there.

    Source: Dong & Yang 2019 (GDAS), Zhou et al. 2020 (PR-DARTS), and on NAS-Bench-201 Ye et al. 2022 (beta-DARTS) and
    Chen et al. 2021 (DrNAS); official codes, where the network's parameters include the architecture's.
    """
    return step.mixing()


def unchanged(method: SearchMethod) -> SearchMethod:
    """Return the method as it is."""
    return method


def never(moment: Moment) -> float:
    """Return 0: nothing is scheduled."""
    return 0.0


@dataclass(frozen=True)
class SearchMethod:
    """A search method as data.

    Attributes:
        name: registry name, as in the paper, snake case.
        title: the name as printed.
        source: the paper, and the official code where there is one.
        differs: how this implementation differs from the source, beyond schedules that scale with the budget; empty
            where it does not.
        changes: what it changes against first-order DARTS, one phrase.
        relax_operations: ((E, O) logits, (E, O) mask of real candidates, moment) to (E, O) mixing weights.
        derive: settled mixing weights and space to the genotype, in spaces whose nodes keep some of their edges.
        arch_gradient: one gradient per architecture parameter, in their order.
        settle_operations: like `relax_operations`, and draws nothing; None where that draws nothing either.
        relax_edges: ((E,) logits, topology) to (E,) edge weights, or None for a plain sum without edge parameters.
        build_edge: what an edge computes.
        build_head: what comes between the last cell and the global average pooling; None takes the skeleton's.
        edge_strength: strength of the edges' scheduled modules in an epoch.
        cutout: probability, in [0, 1], that a training image has a square of half its side cut out in an epoch.
        draw_train: draws the batch of search_train of a step; None passes over the images.
        draw_valid: draws the batch of search_valid of a step; None passes over the images.
        weight_mixing: the mixing weights of the weight step; inside the autograd graph, their gradient counts in the
            bound on the gradient's norm.
        penalties: each maps the architecture in a forward pass to a scalar.
        learning_rate: of the weights in an epoch.
        architecture_moves: whether the architecture parameters are updated in an epoch.
        stages: the stages in a space.
        monitor: returns a fresh monitor; None lets every search go to its end.
        updates: the updates of a step, in order.
        initial_std: standard deviation of the initial architecture parameters.
        channel_divisor: the supernet's channels must be divisible by it.
        only_spaces: names of the spaces that it is defined on; None for all.
        recipe: the paper's optimizer settings.
        one_input: returns the method as its official code searches cells of one input; see `on`.
    """

    name: str
    title: str
    source: str
    differs: str
    changes: str
    relax_operations: OperationRelaxation
    derive: Derivation
    arch_gradient: ArchGradient
    settle_operations: OperationRelaxation | None = None
    relax_edges: EdgeRelaxation | None = None
    build_edge: EdgeBuilder = FullEdge
    build_head: HeadBuilder | None = None
    edge_strength: Callable[[Moment], float] = never
    cutout: Callable[[Moment], float] = never
    draw_train: Draw | None = None
    draw_valid: Draw | None = fresh_batch
    weight_mixing: WeightMixing = drawn_mixing
    penalties: tuple[Penalty, ...] = ()
    learning_rate: Callable[[Recipe, Moment], float] = cosine_over_search
    architecture_moves: Callable[[Recipe, Moment], bool] = after_share_of_stage
    stages: Callable[[Space], tuple[Stage, ...]] = one_stage
    monitor: Callable[[], Monitor] | None = None
    updates: tuple[Update, Update] = ("architecture", "weights")
    initial_std: float = INITIAL_STD
    channel_divisor: int = 1
    only_spaces: frozenset[str] | None = None
    recipe: Recipe = Recipe()
    one_input: Callable[[SearchMethod], SearchMethod] = unchanged

    def on(self, space: Space) -> SearchMethod:
        """Return the method as its official code searches a space."""
        return replace(self.one_input(self), one_input=unchanged) if space.topology.num_inputs == 1 else self

    def initial_parameters(self, space: Space, generator: torch.Generator) -> ArchitectureParameters:
        """Return fresh architecture parameters: alpha (E, O) per cell type, beta (E,) where edges are weighted."""

        def draw(*shape: int) -> nn.Parameter:
            return nn.Parameter(self.initial_std * torch.randn(shape, generator=generator))

        parameters = {f"alpha_{kind}": draw(*candidate_mask(space, kind).shape) for kind in space.cell_types}
        if self.relax_edges is not None:
            parameters |= {f"beta_{kind}": draw(len(space.topology.edges)) for kind in space.cell_types}
        return parameters

    def mixing(self, space: Space, parameters: Mapping[str, Tensor], moment: Moment) -> Mixing:
        """Return the mixing weights of a forward pass, differentiably; where the method draws, each call draws."""
        return self._mixing(self.relax_operations, space, parameters, moment)

    def settled_mixing(self, space: Space, parameters: Mapping[str, Tensor], moment: Moment) -> Mixing:
        """Return the mixing weights that the parameters stand for, differentiably and without a draw."""
        return self._mixing(self.settle_operations or self.relax_operations, space, parameters, moment)

    def _mixing(
        self, relax: OperationRelaxation, space: Space, parameters: Mapping[str, Tensor], moment: Moment
    ) -> Mixing:
        def cell(kind: CellType) -> CellMixing:
            if kind not in space.cell_types:
                return CellMixing(torch.zeros(0, 0))
            alpha = parameters[f"alpha_{kind}"]
            operations = relax(alpha, to_device(candidate_mask(space, kind), alpha.device), moment)
            if self.relax_edges is None:
                return CellMixing(operations)
            return CellMixing(operations, self.relax_edges(parameters[f"beta_{kind}"], space.topology))

        return Mixing(normal=cell("normal"), reduce=cell("reduce"))

    def genotype(self, mixing: Mixing, space: Space) -> Genotype:
        """Return the genotype of settled mixing weights; spaces of one-input cells keep every edge, whatever method."""
        return (every_edge if space.topology.num_inputs == 1 else self.derive)(mixing, space)

    def penalty(self, state: ArchState) -> Tensor:
        """Return the sum of the penalties, a scalar."""
        total = next(iter(state.parameters.values())).new_zeros(())
        for term in self.penalties:
            total = total + term(state)
        return total

    def edge_builder(self, space: Space, stage: int) -> EdgeBuilder:
        """Return what builds the edges of a stage's supernet."""
        return self.stages(space)[stage].build_edge or self.build_edge

    def num_cells(self, space: Space, stage: int, num_cells: int) -> int:
        """Return the number of cells of a stage's supernet, for the number that the network is to have."""
        return max(FEWEST_CELLS, round(num_cells * self.stages(space)[stage].depth))
