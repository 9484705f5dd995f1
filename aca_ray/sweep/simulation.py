"""Simulation of a sweep: when the last of its jobs ends, given how long each takes."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable
from typing import TypeVar

from aca_ray.sweep.graph import Graph, Job

Work = TypeVar("Work")


def simulated_end(
    graph: Graph[Work], slots: int, seconds: Callable[[Work], float], takes_slot: Callable[[Work], bool]
) -> float:
    """Return when the last job of a graph ends, if whatever is ready runs, the longest chain first.

    The products of a job exist when it ends.

    Args:
        graph: the jobs; those that are released are used up.
        slots: number of jobs that run at once.
        seconds: returns the time of a job.
        takes_slot: returns whether a job takes a slot; one that does not takes no time.
    """
    numbers, now = itertools.count(), 0.0
    ready: list[tuple[float, int, Job[Work]]] = []
    running: list[tuple[float, int, Job[Work]]] = []

    def release(jobs: Iterable[Job[Work]]) -> None:
        for job in jobs:
            if takes_slot(job.work):
                heapq.heappush(ready, (-graph.path(job), next(numbers), job))
            else:
                finish(job)

    def finish(job: Job[Work]) -> None:
        for product in job.makes:
            release(graph.made(product))

    release(graph.without_needs())
    while ready or running:
        while ready and len(running) < slots:
            _, number, job = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds(job.work), number, job))
        now, _, job = heapq.heappop(running)
        finish(job)
    return now
