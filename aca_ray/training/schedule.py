"""Learning rates as closed functions of the epoch, so that a checkpoint needs no scheduler."""

from __future__ import annotations

import math

import torch


def cosine(start: float, end: float, epoch: int, num_epochs: int) -> float:
    """Return end + (start - end) * (1 + cos(pi * epoch / num_epochs)) / 2 for a 0-based epoch.

    The last epoch is still a little above `end`.

    Source: Loshchilov & Hutter 2017, equation 5, without restarts.
    """
    return end + 0.5 * (start - end) * (1.0 + math.cos(math.pi * epoch / num_epochs))


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr
