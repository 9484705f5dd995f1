"""The search loop, which calls a method's parts and never reads its name."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import Tensor, nn

from aca_ray.data import (
    SPLITS,
    Batches,
    DataPruner,
    Decoders,
    Draw,
    Images,
    SearchData,
    Split,
    cpu_generator,
    cutout_some,
    derive_seed,
    evaluation_batches,
    standard_augmentation,
)
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.loss import batch_loss
from aca_ray.methods.moment import Moment, moment_at
from aca_ray.methods.views import (
    LOOK_AHEAD_WEIGHT_DECAY,
    ArchitectureParameters,
    ArchState,
    ArchStep,
    Batch,
    EpochView,
    GoBack,
    StageView,
    Stop,
    WeightStep,
)
from aca_ray.nn.fused import fuse
from aca_ray.nn.image_scale import scale_of_images
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.supernet import Supernet
from aca_ray.search.handover import carry_moments, carry_momentum, carry_parameters
from aca_ray.search.probes import architecture_probes
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CELL_TYPES
from aca_ray.training.meter import Meter, evaluate_network
from aca_ray.training.randomness import seed_everything
from aca_ray.training.schedule import set_learning_rate

Accelerator = Callable[[Supernet], Supernet]


class Search:
    """A bilevel search: every step updates the architecture on search_valid and the weights on search_train.

    An epoch has as many steps as one pass over search_train; the method determines the images of either split in a
    step.

    The search has its own clock, since a method may take it back or end it early. An epoch of the trial lasts until the
    clock has passed it, and is empty if the search has ended.

    Args:
        method: the method; the search applies its variant for the space.
        space: candidates of every edge at the beginning.
        data: the two splits, without the test split.
        channels: channels of the supernet's first cells.
        num_cells: cells of the supernet, which a method's stages may scale.
        num_epochs: length of the search; schedules span it.
        seed: seed of initial weights, architecture parameters, data order and augmentation.
        device: device of the search.
        batch_size: images per step, or None for the method's own.
        precision: precision of all passes of the supernet; everything else is float32.
        pruner: selects the images in use; None for all images.
        accelerate: returns a supernet that computes the same as a plain one, faster: `fuse`, or the method of that name
            of a member of a pack. It may change the plain one.

    Attributes:
        space: current candidates of every edge.
        network: current supernet.
        parameters: current architecture parameters.
        batches: endless batches of the images in use, by split.
        clock: number of finished epochs of the search.

    Source: Liu et al. 2019 (DARTS), algorithm 1.
    """

    def __init__(
        self,
        method: SearchMethod,
        space: Space,
        data: SearchData,
        *,
        channels: int,
        num_cells: int,
        num_epochs: int,
        seed: int,
        device: torch.device,
        batch_size: int | None = None,
        precision: torch.dtype = torch.float32,
        pruner: DataPruner | None = None,
        accelerate: Accelerator = fuse,
    ) -> None:
        self.method = method = method.on(space)
        self.space, self.data, self.device = space, data, device
        self.num_epochs, self.batch_size = num_epochs, batch_size or method.recipe.batch_size
        self._seed, self._channels, self._num_cells, self._pruner = seed, channels, num_cells, pruner
        self._precision, self._accelerate = precision, accelerate
        self._decoders = Decoders.beside(device)
        self._stages = method.stages(space)
        self._stages_begun = self.clock = self._step = self._epoch = self._num_returns = 0
        self._make_batches()
        seed_everything(derive_seed(seed, "weights"))
        self.network = self._build(space)
        generator = torch.Generator().manual_seed(derive_seed(seed, "architecture"))
        self._set_architecture(method.initial_parameters(space, generator))
        self._monitor = None if method.monitor is None else method.monitor()
        self.train_meter = Meter(device)

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps of an epoch: one pass over the images of search_train in use."""
        return self.batches["search_train"].batches_per_pass

    @property
    def images_per_epoch(self) -> int:
        """Number of images of search_train in use."""
        return len(self.batches["search_train"])

    @property
    def moment(self) -> Moment:
        """Moment of the current epoch, or of the last one if none has begun since."""
        return moment_at(self._epoch, self.num_epochs, [stage.epochs for stage in self._stages])

    def mixing(self) -> Mixing:
        """Return the settled mixing weights, outside the autograd graph."""
        return self.method.settled_mixing(self.space, self.parameters, self.moment).detach()

    def genotype(self) -> Genotype:
        """Return the genotype of the settled mixing weights."""
        return self.method.genotype(self.mixing(), self.space)

    def seek(self, epoch: int) -> None:
        """Continue at the beginning of a later 0-based epoch, as if none were between; for measurements of time."""
        self.clock, self._step = epoch, 0

    def begin_epoch(self, epoch: int) -> None:
        """Do nothing: the search's own clock determines when its epochs begin."""

    def is_over(self, epoch: int, step: int) -> bool:
        """Return whether a 0-based epoch of the trial is complete."""
        return self.clock > epoch

    def step(self, epoch: int, index: int) -> None:
        """Update the architecture parameters, unless frozen, and the weights, in the order of the method."""
        if self._step == 0:
            self._enter_epoch()
        since = self._pruner.since if self._pruner is not None else 0
        position = (self.clock - since) * self.steps_per_epoch + self._step
        moment = replace(self.moment, step_seed=derive_seed(self._seed, "step", self.clock, self._step))
        train = self._batch("search_train", position, moment)
        for update in self.method.updates:
            if update == "weights":
                self._update_weights(train, position, moment)
            elif self.method.architecture_moves(self.method.recipe, moment):
                self._update_architecture(train, position, moment)
        self._step += 1
        if self._step == self.steps_per_epoch:
            self._leave_epoch(self._batch("search_valid", position, moment))

    def _enter_epoch(self) -> None:
        self._epoch = self.clock
        moment = self.moment
        while self._stages_begun <= moment.stage:
            self._begin_stage(moment)
        if self._pruner is not None and self._pruner.prune(self.clock, self.num_epochs):
            self._make_batches()
        set_learning_rate(self.weight_optimizer, self.method.learning_rate(self.method.recipe, moment))
        self.train_meter = Meter(self.device)
        self._make_ready()

    def _make_ready(self) -> None:
        self.network.set_strength(self.method.edge_strength(self.moment))
        self.network.train()

    def _begin_stage(self, moment: Moment) -> None:
        number = self._stages_begun
        begin = self._stages[number].begin
        old_space, old_network, old_parameters = self.space, self.network, self.parameters
        mixing = self.mixing()
        self._stages_begun += 1
        if begin is None:
            return
        generator = torch.Generator().manual_seed(derive_seed(self._seed, "stage", number))
        passes = count()
        start = begin(
            StageView(
                network=old_network,
                space=old_space,
                parameters=old_parameters,
                mixing=mixing,
                moment=moment,
                generator=generator,
                build=lambda space: self._build(space).train(),
                train_batches=lambda: self._all_images("search_train"),
                augmented_train_batches=lambda: self._augmented_pass("search_train", number, next(passes)),
                augmented_valid_batches=lambda: self._augmented_pass("search_valid", number, next(passes)),
            )
        )
        self.space, self.network = start.space, self._build(start.space)
        if start.weights is not None:
            self.network.load_state_dict(start.weights(old_network.state_dict(), self.network.state_dict()))
        old_optimizers = self.weight_optimizer, self.arch_optimizer
        fresh = self.method.initial_parameters(self.space, generator)
        spaces = old_space, self.space
        self._set_architecture(carry_parameters(*spaces, old_parameters, fresh) if start.keep_architecture else fresh)
        if start.weights is not None and start.keep_momentum:
            carry_momentum(old_network, old_optimizers[0], self.network, self.weight_optimizer, start.weights)
        if start.keep_moments:
            carry_moments(*spaces, old_parameters, old_optimizers[1], self.parameters, self.arch_optimizer)

    def _update_architecture(self, train: Batch, position: int, moment: Moment) -> None:
        valid = self._batch("search_valid", position, moment)
        gradients = self.method.arch_gradient(
            ArchStep(
                network=self.network,
                parameters=self.parameters,
                mixing=lambda: self.method.mixing(self.space, self.parameters, moment),
                penalty=lambda mixing: self.method.penalty(ArchState(self.parameters, mixing, self.space, moment)),
                train=train,
                valid=valid,
                optimizer=self.weight_optimizer,
                report=lambda logits: self._report("search_valid", position, logits, valid[1]),
            )
        )
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.parameters.values(), self.method.recipe.arch_clip_norm)
        self.arch_optimizer.step()

    def _update_weights(self, train: Batch, position: int, moment: Moment) -> None:
        images, labels = train
        mixing = self.method.weight_mixing(
            WeightStep(
                network=self.network,
                mixing=lambda: self.method.mixing(self.space, self.parameters, moment),
                train=train,
                moment=moment,
            )
        )
        logits = self.network(images, mixing)
        loss = batch_loss(logits, labels)
        bounded = list(self.network.parameters())
        self.weight_optimizer.zero_grad()
        if mixing.attached:
            bounded += self.parameters.values()
            if self.method.updates[0] == "architecture":
                self.arch_optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(bounded, self.method.recipe.clip_norm)
        self._decay_unused_weights()
        self.weight_optimizer.step()
        self.train_meter.add(loss, logits, labels)
        self._report("search_train", position, logits, labels)

    def _decay_unused_weights(self) -> None:
        """Set the gradient to zero for weights that this step did not use and an earlier one did.

        SGD then applies weight decay and momentum to them, as in the official codes, which fill gradients with zeros.
        """
        for weight in self.network.parameters():
            if weight.grad is None and self.weight_optimizer.state.get(weight, {}).get("momentum_buffer") is not None:
                weight.grad = torch.zeros_like(weight)

    def _leave_epoch(self, valid: Batch) -> None:
        moment = self.moment
        self.clock, self._step = self.clock + 1, 0
        if self._monitor is None:
            return
        images, labels = valid
        verdict = self._monitor.after_epoch(
            EpochView(
                moment=moment,
                parameters=self.parameters,
                genotype=self.genotype(),
                valid_loss=lambda: batch_loss(
                    self.network(images, self.method.settled_mixing(self.space, self.parameters, moment)), labels
                ),
                recipe=self.method.recipe,
                snapshot=lambda: _copied(self._trained_state()),
            )
        )
        if isinstance(verdict, Stop):
            with torch.no_grad():
                for name, parameter in self.parameters.items():
                    parameter.copy_(verdict.parameters[name])
            self.clock = self.num_epochs
        elif isinstance(verdict, GoBack):
            self._go_back(verdict)

    def _go_back(self, verdict: GoBack) -> None:
        """Continue from a snapshot with a different weight decay, and on other batches than before the return."""
        (group,) = self.weight_optimizer.param_groups
        weight_decay = group["weight_decay"]
        clock = {**verdict.snapshot["clock"], "returns": self._num_returns + 1}
        self._load_trained_state({**verdict.snapshot, "clock": clock})
        (group,) = self.weight_optimizer.param_groups
        group |= {"weight_decay": verdict.weight_decay, LOOK_AHEAD_WEIGHT_DECAY: weight_decay}

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Return losses and accuracies of both splits, learning rates, and metrics of the architecture."""
        mixing = self.mixing()
        train_loss, train_accuracy = self.train_meter.read()
        valid_loss, valid_accuracy = evaluate_network(
            self.network, lambda images: self.network(images, mixing), self._all_images("search_valid"), self.device
        )
        return {
            "search_train/loss": train_loss,
            "search_train/accuracy": train_accuracy,
            "search_valid/loss": valid_loss,
            "search_valid/accuracy": valid_accuracy,
            "lr/weights": self.weight_optimizer.param_groups[0]["lr"],
            "lr/architecture": self.arch_optimizer.param_groups[0]["lr"],
            **architecture_probes(mixing, self.space, self.method.genotype(mixing, self.space)),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return the complete state of the search except random states, including the epoch's metrics so far."""
        return {
            **self._trained_state(),
            "train_meter": self.train_meter.sums,
            "monitor": None if self._monitor is None else self._monitor.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self._load_trained_state(state)
        self.train_meter.sums = state["train_meter"].to(self.device)
        if self._monitor is not None:
            self._monitor.load_state_dict(state["monitor"])

    def _trained_state(self) -> dict[str, Any]:
        candidates = {kind: [list(names) for names in self.space.candidates(kind)] for kind in self.space.cell_types}
        return {
            "clock": {
                "clock": self.clock,
                "step": self._step,
                "epoch": self._epoch,
                "stages": self._stages_begun,
                "returns": self._num_returns,
            },
            "candidates": candidates,
            "network": self.network.state_dict(),
            "architecture": {name: parameter.detach() for name, parameter in self.parameters.items()},
            "arch_gradients": {name: parameter.grad for name, parameter in self.parameters.items()},
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "arch_optimizer": self.arch_optimizer.state_dict(),
            "pruner": None if self._pruner is None else self._pruner.state_dict(),
        }

    def _load_trained_state(self, state: Mapping[str, Any]) -> None:
        clock, built = state["clock"], (self.space, self._stage)
        self.clock, self._step, self._epoch = clock["clock"], clock["step"], clock["epoch"]
        self._stages_begun, self._num_returns = clock["stages"], clock["returns"]
        normal, reduce = (tuple(map(tuple, state["candidates"].get(kind, ()))) for kind in CELL_TYPES)
        self.space = replace(self.space, normal=normal, reduce=reduce)
        if built != (self.space, self._stage):
            self.network = self._build(self.space)
        self.network.load_state_dict(state["network"])
        self._set_architecture(state["architecture"])
        for name, gradient in state["arch_gradients"].items():
            self.parameters[name].grad = None if gradient is None else gradient.clone().to(self.device)
        # Copies, since an optimizer updates the given tensors in place.
        self.weight_optimizer.load_state_dict(_copied(state["weight_optimizer"]))
        self.arch_optimizer.load_state_dict(_copied(state["arch_optimizer"]))
        if self._pruner is not None:
            self._pruner.load_state_dict(state["pruner"])
        self._make_batches()
        self._make_ready()

    @property
    def _stage(self) -> int:
        """Index of the stage that has begun last, 0 before the first."""
        return max(0, self._stages_begun - 1)

    def _build(self, space: Space) -> Supernet:
        """Return a fresh supernet of the current stage."""
        stage, info = self._stage, self.data.info
        network = Supernet(
            space,
            channels=self._channels,
            num_cells=self.method.num_cells(space, stage, self._num_cells),
            num_classes=info.num_classes,
            in_channels=info.channels,
            build_edge=self.method.edge_builder(space, stage),
            build_head=self.method.build_head,
            scale=scale_of_images(info.height, info.width),
            precision=self._precision,
        )
        return self._accelerate(network.to(self.device))

    def _set_architecture(self, values: Mapping[str, Tensor]) -> None:
        """Use copies of these architecture parameters from now on, and fresh optimizers."""
        recipe = self.method.recipe
        self.parameters: ArchitectureParameters = {
            name: nn.Parameter(value.detach().clone().to(self.device)) for name, value in values.items()
        }
        self.arch_optimizer = torch.optim.Adam(
            self.parameters.values(), recipe.arch_lr, betas=recipe.arch_betas, weight_decay=recipe.arch_weight_decay
        )
        self.weight_optimizer = torch.optim.SGD(
            self.network.parameters(),
            recipe.weight_lr,
            momentum=recipe.momentum,
            nesterov=recipe.nesterov,
            weight_decay=recipe.weight_decay,
        )

    def _make_batches(self) -> None:
        """Make endless batches of the images in use."""
        draws: dict[Split, Draw | None] = {"search_train": None, "search_valid": None}
        if self._pruner is None:  # it scores images by their predictions in every epoch, hence passes
            draws = {"search_train": self.method.draw_train, "search_valid": self.method.draw_valid}
        parts: list[str | int] = []
        if self._pruner is not None and self._pruner.since:
            parts += [self._pruner.since]
        if self._num_returns:
            parts += ["return", self._num_returns]
        self.batches: dict[Split, Batches] = {
            split: self._augmented(split, derive_seed(self._seed, split, *parts), draws[split]) for split in SPLITS
        }

    def _augmented(self, split: Split, seed: int, draw: Draw | None) -> Batches:
        images, info = self._images(split), self.data.info
        augmentation = standard_augmentation(info)
        return Batches(images, info, self.batch_size, augmentation, seed, self.device, draw, self._decoders)

    def _augmented_pass(self, split: Split, *parts: int) -> Iterator[Batch]:
        """Return all images in use of a split once, augmented, in an order determined by `parts`."""
        batches = self._augmented(split, derive_seed(self._seed, split, "stage", *parts), None)
        return map(batches.batch, range(batches.batches_per_pass))

    def _images(self, split: Split) -> Images:
        images = self.data.train if split == "search_train" else self.data.valid
        return images if self._pruner is None else images.select(self._pruner.kept(split))

    def _all_images(self, split: Split) -> Iterator[Batch]:
        return evaluation_batches(self._images(split), self.data.info, self.batch_size, self.device, self._decoders)

    def _batch(self, split: Split, position: int, moment: Moment) -> Batch:
        images, labels = self.batches[split].batch(position)
        generator = cpu_generator("cutout", split, moment.step_seed)
        return cutout_some(images, self.method.cutout(moment), generator), labels

    def _report(self, split: Split, position: int, logits: Tensor, labels: Tensor) -> None:
        if self._pruner is not None:
            self._pruner.record(split, self.batches[split].rows(position), logits.detach(), labels)


def _copied(state: Any) -> Any:
    """Return nested dicts, lists and tuples with copies of their tensors, without the rest of the tensors' storage."""
    if isinstance(state, Tensor):
        return state.detach().clone()
    if isinstance(state, Mapping):
        return {key: _copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return type(state)(_copied(value) for value in state)
    return state
