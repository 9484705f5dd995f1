"""What a driver needs from the processes that do its work, and what they need from the driver."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from aca_ray.driver.interrupt import Interrupt
from aca_ray.storage import StoragePath
from aca_ray.sweep.orders import Order


class Work(Protocol):
    """The trials of a sweep, handed out to a pool; called from one thread."""

    @property
    def over(self) -> bool:
        """Whether no trial will be handed out any more."""

    def next(self) -> tuple[Order, ...] | None:
        """Return the orders of the next process, or None while no trial is ready."""

    def changed(self, folder: StoragePath) -> None:
        """Note that the record of a trial may have changed."""

    def died(self, orders: Sequence[Order]) -> None:
        """Note that the process of trials died; the pool restarts it."""

    def give_up(self, orders: Sequence[Order]) -> None:
        """Note that the process of trials died too often and is not restarted; `ended` follows."""

    def ended(self, orders: Sequence[Order]) -> None:
        """Note that no process works on trials any more: they have finished or failed, or the sweep is interrupted."""

    def turn(self) -> None:
        """Do what is due; called several times a second."""


class Task(Protocol):
    """A function call in a pool."""

    def done(self, timeout: float = 0.0) -> bool:
        """Wait up to `timeout` seconds for the end of the call; return whether it has ended."""

    def result(self, timeout: float | None = None) -> Any:
        """Return what the call returned, or raise its error; wait up to `timeout` seconds, or forever if None."""

    def cancel(self) -> None:
        """End the call."""


class Pool(Protocol):
    """Processes that run trials and functions."""

    @property
    def slots(self) -> int:
        """Number of trials that can run at once, at least 1."""

    @property
    def reuses_processes(self) -> bool:
        """Whether one process runs many trials."""

    def run(self, work: Work) -> None:
        """Run trials until none is left, or the sweep is interrupted and all trials are saved."""

    def start(
        self, function: Callable[..., Any], *arguments: object, cpus: int = 0, gpus: float = 0.0, alone: bool = False
    ) -> Task:
        """Start a function call beside the trials.

        Args:
            function: a module-level function.
            arguments: its arguments, as plain values.
            cpus: reserved cores; a call without waits for no trial.
            gpus: reserved GPUs or share of one.
            alone: whether the call has a process of its own, which ends with it, and is not repeated if that dies.
        """


OpenPool = Callable[[Interrupt, Callable[[str], None]], AbstractContextManager[Pool]]
"""Opens the pool of a sweep, given the interrupt of its driver and a function that shows the user a line."""
