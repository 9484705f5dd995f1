"""A pack of searches, which run in turn and whose passes are computed as one."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import torch

from aca_ray.nn.supernet import Supernet
from aca_ray.packing.packed_supernet import request_passes
from aca_ray.packing.requests import Forward, Request
from aca_ray.packing.rows import Rows
from aca_ray.packing.scheduler import Scheduler
from aca_ray.training.randomness import random_states, restore_random_states


class Pack:
    """Runs several searches, each in its own thread, one at a time.

    The searches are unaware of each other: each is given its member of the pack as the function that accelerates its
    supernets. A forward or backward pass of a search waits until all searches have requested one, and is then computed
    as one with passes of the same kind. A pass that must be computed alone is computed at once. Every search has its
    own global random states.

    Args:
        device: device of the searches.
        num_searches: number of searches.

    Attributes:
        members: the pack as each of the searches sees it, in the order of their tasks.
    """

    def __init__(self, device: torch.device, num_searches: int) -> None:
        self.num_searches = num_searches
        self._device = device
        self._num_threads = torch.get_num_threads()
        self._num_passes = self._num_computed = 0
        self._states: dict[int, dict[str, Any]] = {}
        self._rows = Rows()
        self._seconds: dict[int, float] = defaultdict(float)
        self._last = time.perf_counter()
        self._scheduler = Scheduler(self._answer, lambda request: request.waits, self._resume, self._pause)
        self.members = tuple(Member(self, number) for number in range(num_searches))

    def request(self, request: Request) -> Any:
        """Return the result of a request, from within the task of its search.

        Passes that are computed alone run in the thread of the scheduler too, since memory that other threads have
        freed would stay with them.
        """
        return self._scheduler.request(request.search, request)

    def seconds(self, search: int) -> float:
        """Return a search's share of the time, in seconds, up to its last request.

        The value is constant between two requests, so that searches that are computed as one read the same one.
        """
        return self._seconds[search]

    def counts(self) -> dict[str, int]:
        """Return the numbers of searches, of forward passes requested, and of forward passes computed for these."""
        return {"searches": self.num_searches, "passes": self._num_passes, "computed": self._num_computed}

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Run one task of every search to its end, always in the same order.

        Raises:
            Exception: the first exception of a task, once all tasks have ended.
        """
        self._last = time.perf_counter()
        try:
            self._scheduler.run([_in_its_thread(task) for task in tasks])
        finally:
            torch.set_num_threads(self._num_threads)

    def _resume(self, number: int) -> None:
        if number in self._states:
            restore_random_states(self._states[number], self._device)

    def _pause(self, number: int) -> None:
        self._states[number] = random_states(self._device)

    def _answer(self, requests: Sequence[Request]) -> list[Any]:
        torch.set_num_threads(self._num_threads)  # the searches' threads lower it for every new thread
        results: list[Any] = [None] * len(requests)
        for group in _grouped(request.kind for request in requests):
            first = requests[group[0]]
            if len(group) == 1:  # a pass computed alone may draw
                self._resume(first.search)
            found = first.results([requests[number] for number in group], self._rows)
            if len(group) == 1:
                self._pause(first.search)
            for number, result in zip(group, found, strict=True):
                results[number] = result
        self._count(requests)
        return results

    def _count(self, requests: Sequence[Request]) -> None:
        forward = [request.kind for request in requests if isinstance(request, Forward)]
        self._num_passes += len(forward)
        self._num_computed += len(set(forward))
        now = time.perf_counter()
        for request in requests:
            self._seconds[request.search] += (now - self._last) / len(requests)
        self._last = now


class Member:
    """A pack as one of its searches sees it."""

    def __init__(self, pack: Pack, search: int) -> None:
        self.pack, self._search = pack, search

    def seconds(self) -> float:
        """Return the search's share of the time, in seconds, up to its last request."""
        return self.pack.seconds(self._search)

    def accelerate(self, network: Supernet) -> Supernet:
        """Return the network with passes that are requested from the pack; they must run in the task of the search."""
        return request_passes(network, self._search, self.pack.request)


def _grouped(kinds: Iterable[Hashable]) -> list[list[int]]:
    """Return the indices of equal kinds, one list per kind."""
    groups: dict[Hashable, list[int]] = {}
    for number, kind in enumerate(kinds):
        groups.setdefault(kind, []).append(number)
    return list(groups.values())


def _in_its_thread(task: Callable[[], None]) -> Callable[[], None]:
    """Return a task with torch's settings for a thread that only waits for passes."""

    def run() -> None:
        # Every thread that computes in parallel has its own helper threads. With more helpers than cores, none of them
        # stays awake between computations: passes took 1.6 times as long.
        torch.set_num_threads(1)
        # Otherwise torch computes gradients on a GPU in a thread that all tasks share, in which no task may wait.
        with torch.autograd.set_multithreading_enabled(False):
            task()

    return run
