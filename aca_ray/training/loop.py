"""The epoch loop, which can stop after any step and resumes from its state bit for bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import torch

from aca_ray.errors import TrialError
from aca_ray.training.device import peak_memory_bytes
from aca_ray.training.randomness import random_states, restore_random_states


class EpochReport(NamedTuple):
    """A finished epoch: its number, counted from 1, and its metrics."""

    epoch: int
    metrics: dict[str, float]


class EpochWork(Protocol):
    """Work done epoch by epoch; it holds all state that determines the future, except the random states."""

    device: torch.device

    @property
    def images_per_epoch(self) -> int:
        """Number of images that an epoch trains on."""
        ...

    def is_over(self, epoch: int, step: int) -> bool:
        """Return whether the 0-based epoch is complete after this number of steps."""
        ...

    def begin_epoch(self, epoch: int) -> None:
        """Prepare the 0-based epoch: schedules, empty meters. Must be a function of the epoch alone."""
        ...

    def step(self, epoch: int, index: int) -> None:
        """Do the step with this index within the epoch."""
        ...

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Return the metrics of the epoch."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested dicts and lists of tensors and plain values."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        ...


class EpochLoop:
    """Runs work for a number of epochs in slices of any length.

    Args:
        work: the work of every epoch.
        num_epochs: number of epochs.
        clock: returns the seconds that the work has taken so far, from any origin.

    Attributes:
        epoch: number of finished epochs.
        step: number of finished steps of the current epoch.
        seconds: time spent in these steps.
    """

    def __init__(self, work: EpochWork, num_epochs: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self.work = work
        self.num_epochs = num_epochs
        self._clock = clock
        self.epoch = 0
        self.step = 0
        self.seconds = 0.0

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.num_epochs

    def advance(self, slice_seconds: float = math.inf) -> EpochReport | None:
        """Run until the epoch ends or the time is up, at least one step; return the epoch's report if it ended.

        Raises:
            TrialError: a metric is not finite, so training diverged.
        """
        start = self._clock()
        if self.step == 0:
            self.work.begin_epoch(self.epoch)
        while not self.work.is_over(self.epoch, self.step):
            self.work.step(self.epoch, self.step)
            self.step += 1
            if self._clock() - start >= slice_seconds and not self.work.is_over(self.epoch, self.step):
                self.seconds += self._clock() - start
                return None
        metrics = self.work.end_epoch(self.epoch)
        seconds = self.seconds + self._clock() - start
        for name, value in metrics.items():
            if not math.isfinite(value):
                raise TrialError(
                    f"epoch {self.epoch + 1}: {name} is {value}; the training diverged. "
                    "The last checkpoint before it is intact; a smaller learning rate or another seed may help."
                )
        metrics["time/epoch_seconds"] = seconds
        metrics["time/images_per_second"] = self.work.images_per_epoch / seconds
        metrics["memory/peak_bytes"] = float(peak_memory_bytes(self.work.device))
        self.epoch, self.step, self.seconds = self.epoch + 1, 0, 0.0
        return EpochReport(self.epoch, metrics)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that determines the future, including random states."""
        return {
            "epoch": self.epoch,
            "step": self.step,
            "seconds": self.seconds,
            "work": self.work.state_dict(),
            "random": random_states(self.work.device),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a state that `state_dict` returned; training continues bit for bit as it would have from there."""
        self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"]
        if self.step:
            self.work.begin_epoch(self.epoch)
        self.work.load_state_dict(state["work"])
        restore_random_states(state["random"], self.work.device)
