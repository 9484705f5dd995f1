"""Channel ranking and allocation as Ray tasks over milestone checkpoints."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from aca_ray.pipeline.ranking_orders import RankingOrder
from aca_ray.records import AllocationFolder, AllocationSummary
from aca_ray.sweep.cluster import ray


def _carry_out(order: RankingOrder, threads: int, gpus: float, after: Any) -> AllocationSummary:
    """Rank and allocate, after the task `after`."""
    return order.carry_out(threads=threads, gpus=gpus)


class RankingTasks:
    """Submits ranking orders, a few at a time, and collects their summaries.

    A task reserves no CPU: it is short, and with a reservation it would wait for the end of a whole search. If trials
    reserve GPUs, a task reserves the same share of the same accelerator.

    Args:
        threads: torch threads per task.
        gpus: GPUs per task; may be a fraction.
        max_in_flight: maximal number of tasks at once.
        resources: further resources per task.
    """

    def __init__(self, threads: int, gpus: float, max_in_flight: int, resources: Mapping[str, float]) -> None:
        self._task = ray.remote(num_cpus=0, num_gpus=gpus, resources=dict(resources))(_carry_out)
        self._threads, self._gpus, self._max_in_flight = threads, gpus, max_in_flight
        self._waiting: deque[RankingOrder] = deque()
        self._running: dict[Any, RankingOrder] = {}
        self._refs: dict[AllocationFolder, Any] = {}
        self.failures: dict[AllocationFolder, str] = {}

    def submit(self, order: RankingOrder) -> None:
        """Submit an order; further orders for the same folder are ignored."""
        if order.folder not in self._refs and all(order.folder != other.folder for other in self._waiting):
            self._waiting.append(order)
            self._start()

    def poll(self, timeout: float = 0.0) -> Sequence[tuple[RankingOrder, AllocationSummary]]:
        """Return newly finished orders with their summaries; the errors of failed orders are added to `failures`."""
        if not self._running:
            return ()
        ready, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout)
        done = []
        for ref in ready:
            order = self._running.pop(ref)
            try:
                done.append((order, ray.get(ref)))
            except Exception as error:
                self.failures[order.folder] = str(error)
        self._start()
        return done

    @property
    def idle(self) -> bool:
        """Whether no order waits or runs."""
        return not self._waiting and not self._running

    def _start(self) -> None:
        while self._waiting and len(self._running) < self._max_in_flight:
            order = self._waiting.popleft()
            before = None if order.previous is None else self._refs.get(order.previous)
            ref = self._task.remote(order, self._threads, self._gpus, before)
            self._refs[order.folder] = ref
            self._running[ref] = order
