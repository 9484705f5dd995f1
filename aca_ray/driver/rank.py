"""Ranking of checkpoints without a running sweep."""

from __future__ import annotations

from collections.abc import Sequence, Set
from contextlib import ExitStack

from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.pool import OpenPool
from aca_ray.driver.ranking import RankingTasks
from aca_ray.errors import SweepError
from aca_ray.records import AllocationSummary, SweepFolder
from aca_ray.storage import StoragePath
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.graph import Graph, Job
from aca_ray.sweep.growing import driven_elsewhere
from aca_ray.sweep.ranking_orders import RankingOrder


def rank_checkpoints(
    orders: Sequence[RankingOrder], threads: int, sweeps: Sequence[SweepFolder], open_pool: OpenPool
) -> dict[StoragePath, AllocationSummary]:
    """Run ranking orders and return the summary per output folder.

    Args:
        orders: milestones and rankers to rank.
        threads: torch threads per task.
        sweeps: folders of the sweeps that the results are written to.
        open_pool: opens the pool that does the work.

    Raises:
        SweepError: some orders failed (the results of the others are stored), or another process drives one of the
            sweeps.
    """
    summaries: dict[StoragePath, AllocationSummary] = {}
    failures: list[str] = []
    with Interrupt().handling_signals() as interrupt, ExitStack() as stack:
        for folder in sweeps:
            if not stack.enter_context(exclusive(folder.lock, wait=False)):
                raise driven_elsewhere(folder)
        tasks = RankingTasks(stack.enter_context(open_pool(interrupt, print)), threads)
        ranked = {order.folder.summary for order in orders}
        graph = Graph(_job(order, ranked) for order in orders)
        for job in graph.without_needs():
            tasks.submit(job.work)
        while not tasks.idle:
            for order, outcome in tasks.poll(timeout=1.0):
                if isinstance(outcome, Exception):
                    failures.append(f"{order.folder.path}: {outcome}")
                    unable = [job.work.folder.path for job in graph.lost(order.folder.summary)]
                    failures += [f"{path}: the previous milestone could not be ranked" for path in unable]
                    continue
                summaries[order.folder.path] = outcome
                for job in graph.made(order.folder.summary):
                    tasks.submit(job.work)
    if failures:
        raise SweepError("\n".join(failures))
    return {order.folder.path: summaries[order.folder.path] for order in orders}


def _job(order: RankingOrder, ranked: Set[StoragePath]) -> Job[RankingOrder]:
    """Return a job that needs the previous milestone, if that is ranked too."""
    previous = frozenset() if order.previous is None else frozenset({order.previous.summary} & ranked)
    return Job(order, previous, (order.folder.summary,))
