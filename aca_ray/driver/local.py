"""A pool without Ray: all trials of a sweep in this process, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from aca_ray.config import RuntimeSpec
from aca_ray.driver.assignment import Assignment
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.pool import Pool, Task, Work
from aca_ray.errors import SweepError
from aca_ray.training import select_device

SLICE_SECONDS = 1.0  # an interrupt is seen only between slices


class LocalPool:
    """Runs trials and functions in this process.

    Args:
        device: device to compute on.
        interrupt: request to stop.
    """

    slots = 1
    reuses_processes = True

    def __init__(self, device: torch.device, interrupt: Interrupt) -> None:
        self._device, self._interrupt = device, interrupt

    def run(self, work: Work) -> None:
        """Run one trial or pack after the other; on an interrupt, save and return."""
        while not work.over and not self._interrupt.requested:
            orders = work.next()
            if orders is not None:
                assignment = Assignment(orders, self._device)
                while not assignment.over and not self._interrupt.requested:
                    assignment.advance(SLICE_SECONDS)
                    for order in orders:
                        work.changed(order.folder)
                    work.turn()
                assignment.save()
                work.ended(orders)
            work.turn()

    def start(
        self, function: Callable[..., Any], *arguments: object, cpus: int = 0, gpus: float = 0.0, alone: bool = False
    ) -> Task:
        """Call a function at once in this process, whatever it reserves."""
        with torch.random.fork_rng():  # the generators of the process are those of the trial that it interrupts
            try:
                return ended_task(function(*arguments))
            except Exception as error:
                return ended_task(error=error)


def ended_task(value: Any = None, error: Exception | None = None) -> Task:
    """Return a task that has returned a value, or raised an error."""
    return _Ended(value, error)


class _Ended:
    """A function call that has ended."""

    def __init__(self, value: Any, error: Exception | None) -> None:
        self._value, self._error = value, error

    def done(self, timeout: float = 0.0) -> bool:
        return True

    def result(self, timeout: float | None = None) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> None:
        pass


@contextmanager
def local_pool(runtime: RuntimeSpec, interrupt: Interrupt) -> Iterator[Pool]:
    """Yield a pool that runs the trials of a sweep in this process, with the threads of one trial.

    Args:
        runtime: resources of a trial.
        interrupt: request to stop.

    Raises:
        SweepError: trials need a GPU, and this process sees none.
    """
    if runtime.gpus_per_trial and not torch.cuda.is_available():
        raise SweepError(
            f"runtime.gpus_per_trial: needs {runtime.gpus_per_trial:g} GPUs in this process, found none; set it to 0, "
            "or run without --local on a cluster that has them"
        )
    before = torch.get_num_threads()
    torch.set_num_threads(runtime.cpus_per_trial)
    try:
        yield LocalPool(select_device(runtime.gpus_per_trial), interrupt)
    finally:
        torch.set_num_threads(before)
