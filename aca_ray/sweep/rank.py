"""Ranking of checkpoints without a running sweep."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack

from aca_ray.errors import SweepError
from aca_ray.pipeline.growing import driven_elsewhere
from aca_ray.pipeline.ranking_orders import RankingOrder
from aca_ray.records import AllocationSummary, SweepFolder
from aca_ray.storage import StoragePath
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.cluster import ray_session
from aca_ray.sweep.interrupt import Interrupt
from aca_ray.sweep.ranking import RankingTasks


def rank_checkpoints(
    orders: Sequence[RankingOrder], threads: int, sweeps: Sequence[SweepFolder] = ()
) -> dict[StoragePath, AllocationSummary]:
    """Run ranking orders as Ray tasks on this machine and return the summary per output folder.

    Args:
        orders: milestones and rankers to rank.
        threads: torch threads per task.
        sweeps: folders of the sweeps that the results are written to.

    Raises:
        SweepError: some orders failed (the results of the others are stored), or another process drives one of the
            sweeps.
    """
    summaries: dict[StoragePath, AllocationSummary] = {}
    with Interrupt().handling_signals(), ExitStack() as stack:
        for folder in sweeps:
            if not stack.enter_context(exclusive(folder.lock, wait=False)):
                raise driven_elsewhere(folder)
        resources = stack.enter_context(ray_session(None))
        tasks = RankingTasks(threads, 0.0, max_in_flight=max(1, int(resources.get("CPU", 1)) // threads), resources={})
        for order in orders:
            tasks.submit(order)
        while not tasks.idle:
            for order, summary in tasks.poll(timeout=1.0):
                summaries[order.folder.path] = summary
    if tasks.failures:
        raise SweepError("\n".join(f"{folder.path}: {reason}" for folder, reason in tasks.failures.items()))
    return {order.folder.path: summaries[order.folder.path] for order in orders}
