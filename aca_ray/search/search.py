"""The only search loop: it asks a method's parts and never reads its name."""

from __future__ import annotations

from typing import Any

import torch

from aca_ray.data import Batches, SearchData, derive_seed, evaluation_batches, standard_augmentation
from aca_ray.methods.core import ArchStep, SearchMethod, batch_loss
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.supernet import Supernet
from aca_ray.search.probes import architecture_probes
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.training.meter import Meter, evaluate_network
from aca_ray.training.randomness import seed_everything
from aca_ray.training.schedule import cosine, set_learning_rate


class Search:
    """A bilevel search: per step one architecture update on search_valid, then one weight update on search_train.

    Args:
        method: the parts.
        space: candidates of every edge.
        data: the two splits; the test split is not in it.
        channels: channels of the supernet's first cells.
        num_cells: cells of the supernet.
        num_epochs: length of the search; schedules span it.
        seed: decides initial weights, architecture parameters, data order and augmentation.
        device: where everything lives.
        batch_size: images per step, or None for the method's own.

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
    ) -> None:
        self.method, self.space, self.data, self.device = method, space, data, device
        self.num_epochs = num_epochs
        recipe = method.recipe
        seed_everything(derive_seed(seed, "weights"))
        self.network = Supernet(
            space,
            channels=channels,
            num_cells=num_cells,
            num_classes=data.info.num_classes,
            in_channels=data.info.channels,
            build_edge=method.build_edge,
        ).to(device)
        generator = torch.Generator().manual_seed(derive_seed(seed, "architecture"))
        self.parameters = {
            name: torch.nn.Parameter(parameter.detach().to(device))
            for name, parameter in method.initial_parameters(space, generator).items()
        }
        self.weight_optimizer = torch.optim.SGD(
            self.network.parameters(), recipe.weight_lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
        self.arch_optimizer = torch.optim.Adam(
            self.parameters.values(), recipe.arch_lr, betas=recipe.arch_betas, weight_decay=recipe.arch_weight_decay
        )
        self.batch_size = batch_size or recipe.batch_size
        augmentation = standard_augmentation(data.info)
        self.train_batches, self.valid_batches = (
            Batches(images, data.info, self.batch_size, augmentation, derive_seed(seed, split), device)
            for split, images in (("search_train", data.train), ("search_valid", data.valid))
        )
        self.steps_per_epoch = self.train_batches.batches_per_pass
        self.images_per_epoch = len(data.train)
        self.train_meter = Meter(device)

    def mixing(self) -> Mixing:
        """Return the current mixing weights, outside the autograd graph."""
        return self.method.mixing(self.space, self.parameters).detach()

    def genotype(self) -> Genotype:
        """Return the genotype that the current mixing weights stand for."""
        return self.method.derive(self.mixing(), self.space)

    def begin_epoch(self, epoch: int) -> None:
        """Set the learning rate of a 0-based epoch and start to measure."""
        recipe = self.method.recipe
        set_learning_rate(self.weight_optimizer, cosine(recipe.weight_lr, recipe.weight_lr_min, epoch, self.num_epochs))
        self.train_meter = Meter(self.device)
        self.network.train()

    def step(self, epoch: int, index: int) -> None:
        """Update the architecture parameters, unless frozen, and then the weights."""
        position = epoch * self.steps_per_epoch + index
        train = self.train_batches.batch(position)
        if epoch >= self.method.recipe.arch_start * self.num_epochs:
            self._update_architecture(train, position, epoch / self.num_epochs)
        self._update_weights(train)

    def _update_architecture(self, train: tuple[torch.Tensor, torch.Tensor], position: int, progress: float) -> None:
        gradients = self.method.arch_gradient(
            ArchStep(
                network=self.network,
                parameters=self.parameters,
                mixing=lambda: self.method.mixing(self.space, self.parameters),
                penalty=lambda: self.method.penalty(self.parameters, progress),
                train=train,
                valid=self.valid_batches.batch(position),
                optimizer=self.weight_optimizer,
            )
        )
        for parameter, gradient in zip(self.parameters.values(), gradients, strict=True):
            parameter.grad = gradient
        self.arch_optimizer.step()

    def _update_weights(self, train: tuple[torch.Tensor, torch.Tensor]) -> None:
        images, labels = train
        logits = self.network(images, self.method.weight_mixing(self.mixing()))
        loss = batch_loss(logits, labels)
        self.weight_optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.method.recipe.clip_norm)
        self.weight_optimizer.step()
        self.train_meter.add(loss, logits, labels)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Return losses and accuracies of both splits, learning rates, and what the architecture looks like."""
        mixing = self.mixing()
        train_loss, train_accuracy = self.train_meter.read()
        valid_loss, valid_accuracy = evaluate_network(
            self.network,
            lambda images: self.network(images, mixing),
            evaluation_batches(self.data.valid, self.data.info, self.batch_size, self.device),
            self.device,
        )
        return {
            "search_train/loss": train_loss,
            "search_train/accuracy": train_accuracy,
            "search_valid/loss": valid_loss,
            "search_valid/accuracy": valid_accuracy,
            "lr/weights": self.weight_optimizer.param_groups[0]["lr"],
            "lr/architecture": self.arch_optimizer.param_groups[0]["lr"],
            **architecture_probes(mixing, self.space, self.method.derive(mixing, self.space)),
        }

    def state_dict(self) -> dict[str, Any]:
        """Return weights, architecture parameters, both optimizers and the epoch's measurements so far."""
        return {
            "network": self.network.state_dict(),
            "architecture": {name: parameter.detach() for name, parameter in self.parameters.items()},
            "weight_optimizer": self.weight_optimizer.state_dict(),
            "arch_optimizer": self.arch_optimizer.state_dict(),
            "train_meter": self.train_meter.sums,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a state that `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(state["architecture"][name])
        self.weight_optimizer.load_state_dict(state["weight_optimizer"])
        self.arch_optimizer.load_state_dict(state["arch_optimizer"])
        self.train_meter.sums = state["train_meter"].to(self.device)
