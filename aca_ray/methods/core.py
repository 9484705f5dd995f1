"""A search method as a frozen record of parts, each of which answers one question.

The search loop calls the parts and never reads the method's name.

| part | answer |
|---|---|
| relax_operations | mixing weights of the candidates in a step, from their logits |
| settle_operations | the same without a draw, for measuring, deriving and ranking |
| relax_edges | weights of the edges into a node (None: a plain sum) |
| build_edge | module of an edge and its candidates |
| build_head | module after the last cell (None: the skeleton's) |
| edge_strength | strength of scheduled edge modules (drop path, auxiliary skip) in this epoch |
| cutout | share of the training images that are cut out in this epoch |
| draw_train, draw_valid | images of search_train and search_valid in a step (None: the next batch of a pass) |
| arch_gradient | gradient of the architecture parameters |
| weight_mixing | mixing weights of the weight step |
| penalties | terms added to the architecture loss |
| learning_rate | learning rate of the weights in this epoch |
| architecture_moves | whether the architecture is updated in this epoch |
| stages | stages of the search, and the start of each |
| monitor | whether the search continues after an epoch |
| derive | genotype of the settled mixing weights |
| refuses | why the method is not defined on a space |
| one_input | changes of the official code for cells of one input (NAS-Bench-201) |
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
from aca_ray.methods.parts.refusals import no_space
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
from aca_ray.space.spaces import SPACES, Space
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
        """Return the verdict on the search after an epoch; None to continue."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the history as nested dicts and lists of tensors and plain values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a history that `state_dict` returned."""
        ...


@dataclass(frozen=True)
class Stage:
    """A part of a search with its own supernet.

    Attributes:
        epochs: length at the paper's budget; scales with the budget.
        begin: returns the start of the stage; None continues unchanged, which requires the edges and the depth of the
            stage before.
        build_edge: builder of an edge; None for the method's.
        depth: number of cells as a multiple of the network's.
    """

    epochs: int
    begin: Callable[[StageView], StageStart] | None = None
    build_edge: EdgeBuilder | None = None
    depth: float = 1.0


def one_stage(space: Space) -> tuple[Stage, ...]:
    """Return a single stage that spans the whole search."""
    return (Stage(epochs=1),)


def drawn_mixing(step: WeightStep) -> Mixing:
    """Return the mixing weights of the architecture, detached; methods that draw them draw again."""
    return step.mixing().detach()


def attached_mixing(step: WeightStep) -> Mixing:
    """Return the same as `drawn_mixing`, inside the autograd graph.

    Gradient clipping then includes the gradient of the architecture parameters. If the weights are updated first, that
    gradient is added to the one that the last architecture step left.

    Source: Dong & Yang 2019 (GDAS), Zhou et al. 2020 (PR-DARTS), and on NAS-Bench-201 Ye et al. 2022 (beta-DARTS) and
    Chen et al. 2021 (DrNAS); official codes, where the network's parameters include the architecture's.
    """
    return step.mixing()


def unchanged(method: SearchMethod) -> SearchMethod:
    """Return the method unchanged."""
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
            if it does not.
        changes: difference from first-order DARTS, one phrase.
        relax_operations: maps ((E, O) logits, (E, O) mask of real candidates, moment) to (E, O) mixing weights.
        derive: maps settled mixing weights and space to the genotype, in spaces whose nodes keep some of their edges.
        arch_gradient: one gradient per architecture parameter, in their order.
        settle_operations: like `relax_operations`, without draws; None if that does not draw either.
        relax_edges: maps ((E,) logits, topology) to (E,) edge weights; None for a plain sum without edge parameters.
            The logits of deleted edges are the lowest finite number.
        build_edge: builder of an edge.
        build_head: builder of the module between the last cell and the global average pooling; None for the skeleton's.
        edge_strength: strength of scheduled edge modules in an epoch.
        cutout: probability, in [0, 1], that a training image has a square of half its side cut out in an epoch.
        draw_train: draws the search_train batch of a step; None for passes over the images.
        draw_valid: draws the search_valid batch of a step; None for passes over the images.
        weight_mixing: mixing weights of the weight step; inside the autograd graph, gradient clipping includes the
            gradient of the architecture parameters.
        penalties: functions that map the architecture in a forward pass to a scalar.
        learning_rate: learning rate of the weights in an epoch.
        architecture_moves: whether the architecture parameters are updated in an epoch.
        stages: stages of a search in a space.
        monitor: returns a fresh monitor; None runs every search to its end.
        updates: the updates of a step, in order.
        initial_std: standard deviation of the initial architecture parameters.
        channel_divisor: required divisor of the supernet's channels.
        refuses: returns why the method is not defined on a space, as the end of the sentence "the space ...", such as
            "has cells of one input"; None where it is defined.
        recipe: the paper's optimizer settings.
        one_input: returns the method's variant for cells of one input, as in the official code; see `on`.
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
    refuses: Callable[[Space], str | None] = no_space
    recipe: Recipe = Recipe()
    one_input: Callable[[SearchMethod], SearchMethod] = unchanged

    @property
    def spaces(self) -> tuple[str, ...]:
        """Names of the registered spaces that the method is defined on."""
        return tuple(name for name, space in SPACES.items() if self.refuses(space) is None)

    def on(self, space: Space) -> SearchMethod:
        """Return the method's variant for a space, as in the official code."""
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
        """Return the differentiable mixing weights of a forward pass; if the method draws, every call draws."""
        return self._mixing(self.relax_operations, space, parameters, moment)

    def settled_mixing(self, space: Space, parameters: Mapping[str, Tensor], moment: Moment) -> Mixing:
        """Return the differentiable mixing weights of the parameters, without a draw."""
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
            beta = parameters[f"beta_{kind}"]
            present = space.present(kind)
            if len(present) < len(beta):  # a deleted edge takes no share of its node's
                deleted = [index not in present for index in range(len(beta))]
                beta = beta.masked_fill(to_device(torch.tensor(deleted), beta.device), torch.finfo(beta.dtype).min)
            return CellMixing(operations, self.relax_edges(beta, space.topology))

        return Mixing(normal=cell("normal"), reduce=cell("reduce"))

    def genotype(self, mixing: Mixing, space: Space) -> Genotype:
        """Return the genotype of settled mixing weights; in all methods, cells of one input keep every edge."""
        return (every_edge if space.topology.num_inputs == 1 else self.derive)(mixing, space)

    def penalty(self, state: ArchState) -> Tensor:
        """Return the sum of the penalties, a scalar."""
        total = next(iter(state.parameters.values())).new_zeros(())
        for term in self.penalties:
            total = total + term(state)
        return total

    def edge_builder(self, space: Space, stage: int) -> EdgeBuilder:
        """Return the edge builder of a stage's supernet."""
        return self.stages(space)[stage].build_edge or self.build_edge

    def num_cells(self, space: Space, stage: int, num_cells: int) -> int:
        """Return the number of cells of a stage's supernet, given the network's."""
        return max(FEWEST_CELLS, round(num_cells * self.stages(space)[stage].depth))
