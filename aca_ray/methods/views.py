"""The views of a search that the parts of a method receive, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from aca_ray.methods.moment import Moment
from aca_ray.methods.recipe import Recipe
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.supernet import Supernet
from aca_ray.nn.transfer import Transfer
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space

# Key of SGD's parameter group: the weight decay of the look-ahead, if it differs from that of the steps.
LOOK_AHEAD_WEIGHT_DECAY = "look_ahead_weight_decay"

Batch = tuple[Tensor, Tensor]  # (B, C, H, W) normalized images, (B,) labels
ArchitectureParameters = dict[str, nn.Parameter]


@dataclass(frozen=True)
class ArchStep:
    """An architecture update.

    Attributes:
        network: the supernet, in training mode.
        parameters: the architecture parameters by name.
        mixing: returns the mixing weights, differentiable in the parameters; if the method draws, every call draws.
        penalty: maps the mixing weights of the forward pass to a scalar that is added to the architecture loss.
        train: the batch of search_train of this step.
        valid: the batch of search_valid.
        optimizer: the weights' optimizer, for its learning rate and momentum.
        report: to be called with the (B, K) logits of the valid batch.
    """

    network: Supernet
    parameters: ArchitectureParameters
    mixing: Callable[[], Mixing]
    penalty: Callable[[Mixing], Tensor]
    train: Batch
    valid: Batch
    optimizer: torch.optim.SGD
    report: Callable[[Tensor], None] = lambda logits: None


@dataclass(frozen=True)
class WeightStep:
    """A weight update.

    Attributes:
        network: the supernet, in training mode.
        mixing: returns the mixing weights, differentiable; if the method draws, every call draws.
        train: the batch of search_train.
        moment: moment of the step.
    """

    network: Supernet
    mixing: Callable[[], Mixing]
    train: Batch
    moment: Moment


@dataclass(frozen=True)
class ArchState:
    """The architecture in one forward pass, for penalties.

    Attributes:
        parameters: the architecture parameters by name.
        mixing: the mixing weights of the forward pass.
        space: the space being searched.
        moment: moment of the step.
    """

    parameters: Mapping[str, Tensor]
    mixing: Mixing
    space: Space
    moment: Moment


@dataclass(frozen=True)
class StageView:
    """A search at the start of a stage, before the stage changes anything.

    Attributes:
        network: the supernet as trained so far.
        space: the space searched so far.
        parameters: its architecture parameters by name.
        mixing: its settled mixing weights, outside the autograd graph.
        moment: first epoch of the new stage.
        generator: generator of the stage's draws.
        build: returns a fresh supernet of the new stage over a space, in training mode.
        train_batches: returns every image of search_train once, in order and without augmentation.
        augmented_train_batches, augmented_valid_batches: return every image of a split once, augmented, in a new order
            in every call.
    """

    network: Supernet
    space: Space
    parameters: Mapping[str, Tensor]
    mixing: Mixing
    moment: Moment
    generator: torch.Generator
    build: Callable[[Space], Supernet]
    train_batches: Callable[[], Iterable[Batch]]
    augmented_train_batches: Callable[[], Iterable[Batch]]
    augmented_valid_batches: Callable[[], Iterable[Batch]]


@dataclass(frozen=True)
class StageStart:
    """The start of a stage.

    Attributes:
        space: the space searched from now on, of the same topology.
        weights: transfer of weights, batch-norm statistics and momentum to the new supernet; None for a fresh one.
        keep_momentum: whether SGD's momentum is transferred like the weights.
        keep_architecture: whether the architecture parameters of remaining candidates are kept.
        keep_moments: whether Adam's moments are kept like the architecture parameters.
    """

    space: Space
    weights: Transfer | None = None
    keep_momentum: bool = False
    keep_architecture: bool = False
    keep_moments: bool = False


@dataclass(frozen=True)
class EpochView:
    """A search at the end of an epoch.

    Attributes:
        moment: moment of the epoch that ended.
        parameters: the architecture parameters by name.
        genotype: the genotype of the parameters.
        valid_loss: returns the loss on the last step's batch of search_valid, differentiable in the parameters.
        recipe: the optimizer settings.
        snapshot: returns a copy of the search's complete state.
    """

    moment: Moment
    parameters: ArchitectureParameters
    genotype: Genotype
    valid_loss: Callable[[], Tensor]
    recipe: Recipe
    snapshot: Callable[[], dict[str, Any]]


@dataclass(frozen=True)
class Stop:
    """Ends the search; these architecture parameters give its result."""

    parameters: Mapping[str, Tensor]


@dataclass(frozen=True)
class GoBack:
    """Continues the search from a snapshot, with a different weight decay of SGD.

    The look-ahead of `unrolled` keeps the previous weight decay, as in the official code of RobustDARTS.
    """

    snapshot: Mapping[str, Any]
    weight_decay: float


Verdict = Stop | GoBack | None
