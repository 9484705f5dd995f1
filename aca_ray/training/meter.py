"""Running means of loss and accuracy, kept on the device and read once an epoch."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn import functional


class Meter:
    """Sums of loss, correct predictions and images over batches, without waiting for the device."""

    def __init__(self, device: torch.device) -> None:
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)  # loss, correct, images

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Add a batch with its mean loss."""
        num_images = len(labels)
        correct = (logits.detach().argmax(dim=1) == labels).sum()
        batch = torch.stack((loss.detach().double() * num_images, correct.double(), correct.new_full((), num_images)))
        self.sums += batch

    def read(self) -> tuple[float, float]:
        """Return (mean loss, accuracy) over all images added; accuracy in [0, 1]."""
        loss, correct, images = self.sums.tolist()
        return loss / images, correct / images


def evaluate_network(
    network: nn.Module,
    forward: Callable[[Tensor], Tensor],
    batches: Iterable[tuple[Tensor, Tensor]],
    device: torch.device,
) -> tuple[float, float]:
    """Return (mean cross-entropy, accuracy) in evaluation mode; the network's mode is restored."""
    was_training = network.training
    network.eval()
    meter = Meter(device)
    with torch.no_grad():
        for images, labels in batches:
            logits = forward(images)
            meter.add(functional.cross_entropy(logits, labels), logits, labels)
    network.train(was_training)
    return meter.read()
