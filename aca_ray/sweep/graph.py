"""The graph of a sweep's jobs: each needs the products of others, and starts when they exist."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

Work = TypeVar("Work")


@dataclass(frozen=True, eq=False)
class Job(Generic[Work]):
    """A unit of work.

    Attributes:
        work: what a process carries out.
        needs: products of other jobs that must exist before it starts.
        makes: its products, which may appear while it runs.
        length: time that it takes, in a unit that all jobs share.
    """

    work: Work
    needs: frozenset[Hashable]
    makes: tuple[Hashable, ...]
    length: float = 0.0


class Graph(Generic[Work]):
    """Jobs, and which of them can start.

    Args:
        jobs: all jobs; none may need its own products, directly or through others.

    Attributes:
        jobs: all jobs.
    """

    def __init__(self, jobs: Iterable[Job[Work]]) -> None:
        self.jobs = tuple(jobs)
        self._users: dict[Hashable, list[Job[Work]]] = defaultdict(list)
        for job in self.jobs:
            for product in job.needs:
                self._users[product].append(job)
        self._missing = {job: set(job.needs) for job in self.jobs}
        self._lost: set[Hashable] = set()
        self._paths: dict[Job[Work], float] = {}

    def without_needs(self) -> list[Job[Work]]:
        """Return the jobs that need no products."""
        return [job for job in self.jobs if not job.needs]

    def made(self, product: Hashable) -> list[Job[Work]]:
        """Note that a product exists, and return the jobs that can start because of it."""
        able = []
        for job in self._users[product]:
            missing = self._missing[job]
            if product in missing:
                missing.remove(product)
                if not missing:
                    able.append(job)
        return able

    def lost(self, product: Hashable) -> list[Job[Work]]:
        """Note that a product will never exist, and return the jobs that can therefore never start."""
        unable = []
        for job in self._users[product]:
            if product in self._missing[job] and not self._missing[job] & self._lost:
                unable.append(job)
        self._lost.add(product)
        return unable + [later for job in unable for made in job.makes for later in self.lost(made)]

    def path(self, job: Job[Work]) -> float:
        """Return the length of the longest chain of jobs that begins with a job."""
        if job not in self._paths:
            users = (user for product in job.makes for user in self._users[product])
            self._paths[job] = job.length + max(map(self.path, users), default=0.0)
        return self._paths[job]
