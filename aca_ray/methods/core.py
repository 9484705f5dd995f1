"""What a search method is: a frozen record of parts, each of which answers one question.

The search loop asks the parts and never reads the method's name.

| part | question |
|---|---|
| relax_operations | which mixing weights do the logits of an edge's candidates give? |
| relax_edges | how are the edges into a node weighted? (None: a plain sum) |
| build_edge | what does one edge compute from its candidates? |
| arch_gradient | what is the gradient of the architecture parameters? |
| weight_mixing | which mixing weights does the weight step see? |
| penalties | what is added to the architecture loss? |
| derive | which genotype do the mixing weights stand for? |
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from aca_ray.nn.edges import EdgeBuilder, FullEdge
from aca_ray.nn.mixing import CellMixing, Mixing, candidate_mask
from aca_ray.nn.supernet import Supernet
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CELL_TYPES, CellType, Topology

Batch = tuple[Tensor, Tensor]  # (B, C, H, W) normalized images, (B,) labels
ArchitectureParameters = dict[str, nn.Parameter]

INITIAL_STD = 1e-3  # Liu et al. 2019, official code


@dataclass(frozen=True)
class Recipe:
    """The optimizers' settings of a paper; no sweep has to state them.

    Attributes:
        batch_size: images per step of either split.
        weight_lr: learning rate of SGD in the first epoch; follows a cosine to `weight_lr_min`.
        weight_lr_min: learning rate that the cosine would reach after the last epoch.
        momentum: of SGD.
        weight_decay: L2 coefficient of SGD.
        clip_norm: bound on the global norm of the weights' gradient.
        arch_lr: learning rate of Adam on the architecture parameters.
        arch_betas: of Adam.
        arch_weight_decay: L2 coefficient of Adam.
        arch_start: share of the epochs, in [0, 1), during which the architecture parameters stay as they are.
    """

    batch_size: int = 64
    weight_lr: float = 0.025
    weight_lr_min: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 3e-4
    clip_norm: float = 5.0
    arch_lr: float = 3e-4
    arch_betas: tuple[float, float] = (0.5, 0.999)
    arch_weight_decay: float = 1e-3
    arch_start: float = 0.0


@dataclass(frozen=True)
class ArchStep:
    """Everything that an architecture gradient may look at.

    Attributes:
        network: the supernet, in training mode.
        parameters: the architecture parameters by name.
        mixing: returns the mixing weights as a differentiable function of the parameters.
        penalty: returns what is added to the architecture loss, a scalar.
        train: the batch of search_train that the weight step is about to use.
        valid: the batch of search_valid.
        optimizer: the weights' optimizer, for its learning rate and momentum.
    """

    network: Supernet
    parameters: ArchitectureParameters
    mixing: Callable[[], Mixing]
    penalty: Callable[[], Tensor]
    train: Batch
    valid: Batch
    optimizer: torch.optim.SGD


ArchGradient = Callable[[ArchStep], tuple[Tensor, ...]]
OperationRelaxation = Callable[[Tensor, Tensor], Tensor]
EdgeRelaxation = Callable[[Tensor, Topology], Tensor]
WeightMixing = Callable[[Mixing], Mixing]
Penalty = Callable[[Mapping[str, Tensor], float], Tensor]
Derivation = Callable[[Mixing, Space], Genotype]


def same_mixing(mixing: Mixing) -> Mixing:
    """Return the mixing weights unchanged: the weight step sees what the architecture step sees."""
    return mixing


@dataclass(frozen=True)
class SearchMethod:
    """A search method as data.

    Attributes:
        name: registry name, as in the paper, snake case.
        title: the name as printed.
        source: the paper, and how exact this implementation is.
        changes: what it changes against first-order DARTS, one phrase.
        relax_operations: ((E, O) logits, (E, O) mask of real candidates) to (E, O) mixing weights.
        derive: mixing weights and space to the genotype.
        arch_gradient: one gradient per architecture parameter, in their order.
        relax_edges: ((E,) logits, topology) to (E,) edge weights, or None for a plain sum without edge parameters.
        build_edge: what an edge computes.
        weight_mixing: what the weight step sees of the (detached) mixing weights.
        penalties: each maps the architecture parameters and the search's progress in [0, 1) to a scalar.
        channel_divisor: the supernet's channels must be divisible by it.
        recipe: the paper's optimizer settings.
    """

    name: str
    title: str
    source: str
    changes: str
    relax_operations: OperationRelaxation
    derive: Derivation
    arch_gradient: ArchGradient
    relax_edges: EdgeRelaxation | None = None
    build_edge: EdgeBuilder = FullEdge
    weight_mixing: WeightMixing = same_mixing
    penalties: tuple[Penalty, ...] = ()
    channel_divisor: int = 1
    recipe: Recipe = Recipe()

    def initial_parameters(self, space: Space, generator: torch.Generator) -> ArchitectureParameters:
        """Return fresh architecture parameters: alpha (E, O) per cell type, beta (E,) where edges are weighted."""
        parameters: ArchitectureParameters = {}
        for cell_type in CELL_TYPES:
            shape = candidate_mask(space, cell_type).shape
            parameters[f"alpha_{cell_type}"] = nn.Parameter(INITIAL_STD * torch.randn(shape, generator=generator))
        if self.relax_edges is not None:
            for cell_type in CELL_TYPES:
                num_edges = len(space.topology.edges)
                parameters[f"beta_{cell_type}"] = nn.Parameter(
                    INITIAL_STD * torch.randn(num_edges, generator=generator)
                )
        return parameters

    def mixing(self, space: Space, parameters: Mapping[str, Tensor]) -> Mixing:
        """Return the mixing weights of architecture parameters, differentiably."""

        def cell(cell_type: CellType) -> CellMixing:
            alpha = parameters[f"alpha_{cell_type}"]
            mask = candidate_mask(space, cell_type).to(alpha.device)
            edges = (
                None if self.relax_edges is None else self.relax_edges(parameters[f"beta_{cell_type}"], space.topology)
            )
            return CellMixing(self.relax_operations(alpha, mask), edges)

        return Mixing(normal=cell("normal"), reduce=cell("reduce"))

    def penalty(self, parameters: Mapping[str, Tensor], progress: float) -> Tensor:
        """Return the sum of the penalties at a point of the search, a scalar."""
        total = next(iter(parameters.values())).new_zeros(())
        for term in self.penalties:
            total = total + term(parameters, progress)
        return total


def batch_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of a batch, a scalar."""
    return functional.cross_entropy(logits, labels)
