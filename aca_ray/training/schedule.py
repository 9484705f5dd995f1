"""Learning rates as closed-form functions of the epoch, so that a checkpoint needs no scheduler."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

Schedule = Callable[[float, int, int], float]
"""From (first learning rate, 0-based epoch, number of epochs) to the epoch's learning rate."""

EPOCH_FACTOR = 0.97
NUM_LAST_EPOCHS, NUM_WARMUP_EPOCHS = 5, 5


def cosine(start: float, end: float, epoch: int, num_epochs: int) -> float:
    """Return end + (start - end) * (1 + cos(pi * epoch / num_epochs)) / 2 for a 0-based epoch.

    The last epoch is still a little above `end`.

    Source: Loshchilov & Hutter 2017, equation 5, without restarts.
    """
    return end + 0.5 * (start - end) * (1.0 + math.cos(math.pi * epoch / num_epochs))


def cosine_to_zero(start: float, epoch: int, num_epochs: int) -> float:
    """Return the cosine from `start` to 0. Source: DARTS' official code, train.py."""
    return cosine(start, 0.0, epoch, num_epochs)


def exponential(start: float, epoch: int, num_epochs: int) -> float:
    """Return start * 0.97^epoch for any number of epochs. Source: DARTS' official code, train_imagenet.py."""
    return start * EPOCH_FACTOR**epoch


def warmed_up_linear(start: float, epoch: int, num_epochs: int) -> float:
    """Return a line that falls from `start` after a warm-up and is a fifth as steep in the last 5 epochs.

    The first 5 epochs use (epoch + 1) / 5 of `start` itself. The line falls towards 0 at the beginning of the last 5
    epochs, and in these from start / (num_epochs - 5) towards 0 at their end.

    Source: PC-DARTS' official code, train_imagenet.py, for batches of more than 256 images.
    """
    num_before, remaining = num_epochs - NUM_LAST_EPOCHS, num_epochs - epoch
    if epoch < NUM_WARMUP_EPOCHS:
        return start * (epoch + 1) / NUM_WARMUP_EPOCHS
    if remaining > NUM_LAST_EPOCHS:
        return start * (num_before - epoch) / num_before
    return start * remaining / (NUM_LAST_EPOCHS * num_before)


def warmed_up_cosine(start: float, epoch: int, num_epochs: int) -> float:
    """Return a cosine from `start` to 0 after a warm-up of 5 epochs, and 0 in the last 5 epochs.

    The warm-up uses (epoch + 1/2) / 5 of `start`, the mean of the source's rates over the steps of the epoch.

    Source: Dong & Yang 2019 (GDAS), official code (AutoDL-Projects), optimizers.py.
    """
    num_after = num_epochs - NUM_WARMUP_EPOCHS
    if epoch < NUM_WARMUP_EPOCHS:
        return start * (epoch + 0.5) / NUM_WARMUP_EPOCHS
    return cosine(start, 0.0, epoch - NUM_WARMUP_EPOCHS, num_after) if epoch < num_after else 0.0


SCHEDULES: dict[str, Schedule] = {
    "cosine": cosine_to_zero,
    "exponential": exponential,
    "warmed_up_linear": warmed_up_linear,
    "warmed_up_cosine": warmed_up_cosine,
}
WARMED_UP: frozenset[Schedule] = frozenset({warmed_up_linear, warmed_up_cosine})


def set_learning_rate(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Set the learning rate of all parameter groups."""
    for group in optimizer.param_groups:
        group["lr"] = lr
