"""Channel ranking and allocation beside the trials of a sweep."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from aca_ray.driver.pool import Pool, Task
from aca_ray.records import AllocationFolder, AllocationSummary
from aca_ray.sweep.ranking_orders import RankingOrder


class RankingTasks:
    """Submits ranking orders to a pool, half as many at once as it has slots, and collects their summaries.

    A task reserves no CPU: it is short, and with a reservation it would wait for the end of a whole search. If trials
    reserve GPUs, a task reserves as many.

    Args:
        pool: runs the orders.
        threads: torch threads per task.
        gpus: GPUs per task; may be a fraction.
    """

    def __init__(self, pool: Pool, threads: int, gpus: float = 0.0) -> None:
        self._pool, self._threads, self._gpus = pool, threads, gpus
        self._waiting: deque[RankingOrder] = deque()
        self._running: dict[AllocationFolder, tuple[RankingOrder, Task]] = {}

    def submit(self, order: RankingOrder) -> None:
        """Submit an order, whose previous milestone is ranked."""
        self._waiting.append(order)
        self._start()

    def poll(self, timeout: float = 0.0) -> Sequence[tuple[RankingOrder, AllocationSummary | Exception]]:
        """Return newly ended orders with their summaries or errors; wait up to `timeout` seconds for the first."""
        ended: list[tuple[RankingOrder, AllocationSummary | Exception]] = []
        for folder, (order, task) in list(self._running.items()):
            if task.done(0.0 if ended else timeout):
                del self._running[folder]
                try:
                    ended.append((order, task.result()))
                except Exception as error:
                    ended.append((order, error))
            timeout = 0.0
        self._start()
        return ended

    @property
    def idle(self) -> bool:
        """Whether no order waits or runs."""
        return not self._waiting and not self._running

    def _start(self) -> None:
        while self._waiting and len(self._running) < max(1, self._pool.slots // 2):
            order = self._waiting.popleft()
            task = self._pool.start(_carry_out, order, self._threads, self._gpus, gpus=self._gpus)
            self._running[order.folder] = order, task


def _carry_out(order: RankingOrder, threads: int, gpus: float) -> AllocationSummary:
    return order.carry_out(threads=threads, gpus=gpus)
