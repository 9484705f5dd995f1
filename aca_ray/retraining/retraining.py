"""Training a derived network from scratch on all training images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.data import Batches, Decoders, RetrainingData, derive_seed, evaluation_batches, standard_augmentation
from aca_ray.nn.derived import DerivedNetwork
from aca_ray.retraining.passes import Passes
from aca_ray.retraining.protocols import Protocol, check_fits
from aca_ray.space.channel_plan import ChannelPlan
from aca_ray.space.genotype import Genotype
from aca_ray.training.meter import Meter, evaluate_network
from aca_ray.training.randomness import seed_everything
from aca_ray.training.schedule import set_learning_rate


class Retraining:
    """Trains a derived network under a protocol and tests it after every epoch.

    The result is the accuracy of the last epoch; the best one is kept for comparison with papers that report it.

    Args:
        genotype: the cells.
        plan: channel allocation, or None for the plain network.
        data: training and test images.
        protocol: retraining protocol.
        seed: seed of initial weights, data order, augmentation and drop path.
        device: device of the retraining.

    Raises:
        ConfigError: protocol and images or device do not fit together.

    Source: Liu et al. 2019 (DARTS), section 3.2.
    """

    def __init__(
        self,
        genotype: Genotype,
        plan: ChannelPlan | None,
        data: RetrainingData,
        protocol: Protocol,
        *,
        seed: int,
        device: torch.device,
    ) -> None:
        self.data, self.protocol, self.device = data, protocol, device
        info = data.info
        check_fits(protocol, info)
        seed_everything(derive_seed(seed, "retraining"))
        network = DerivedNetwork(genotype, plan, auxiliary=protocol.has_tower, **protocol.network_settings(info))
        self.network = network.to(device)
        self.passes = Passes(self.network, protocol, device)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            protocol.lr,
            momentum=protocol.momentum,
            nesterov=protocol.nesterov,
            weight_decay=protocol.weight_decay,
            fused=True,
        )
        augmentation = standard_augmentation(info, cutout=protocol.cutout)
        self._decoders = Decoders.beside(device)
        self.batches = Batches(
            data.train,
            info,
            protocol.batch_size,
            augmentation,
            derive_seed(seed, "train"),
            device,
            decoders=self._decoders,
        )
        self.steps_per_epoch = self.batches.batches_per_pass
        self.images_per_epoch = len(data.train)
        self.train_meter = Meter(device)

    def begin_epoch(self, epoch: int) -> None:
        """Set learning rate and drop path of a 0-based epoch and reset the meter."""
        protocol = self.protocol
        set_learning_rate(self.optimizer, protocol.schedule(protocol.lr, epoch, protocol.epochs))
        self.network.set_drop_path(protocol.drop_path * epoch / protocol.epochs, protocol.dropped)
        self.train_meter = Meter(self.device)
        self.network.train()

    def is_over(self, epoch: int, step: int) -> bool:
        """Return whether the pass over the training images is complete."""
        return step >= self.steps_per_epoch

    def step(self, epoch: int, index: int) -> None:
        """Update the weights once."""
        images, labels = self.batches.batch(epoch * self.steps_per_epoch + index)
        with self.passes.tf32():
            logits, auxiliary_logits = self.passes.train(images)
            loss = total = self._loss(logits, labels)
            if auxiliary_logits is not None:
                total = loss + self.protocol.auxiliary_weight * self._loss(auxiliary_logits, labels)
            self.optimizer.zero_grad()
            total.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), self.protocol.clip_norm)
        self.optimizer.step()
        self.train_meter.add(loss, logits, labels)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        return functional.cross_entropy(logits, labels, label_smoothing=self.protocol.label_smoothing)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Return losses and accuracies on the training and the test images, and the learning rate."""
        train_loss, train_accuracy = self.train_meter.read()
        test_loss, test_accuracy = evaluate_network(
            self.network,
            self.passes.evaluate,
            evaluation_batches(self.data.test, self.data.info, self.protocol.batch_size, self.device, self._decoders),
            self.device,
        )
        return {
            "train/loss": train_loss,
            "train/accuracy": train_accuracy,
            "test/loss": test_loss,
            "test/accuracy": test_accuracy,
            "lr/weights": self.optimizer.param_groups[0]["lr"],
        }

    def state_dict(self) -> dict[str, Any]:
        """Return weights, optimizer state and the epoch's metrics so far."""
        return {
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "train_meter": self.train_meter.sums,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.train_meter.sums = state["train_meter"].to(self.device)
