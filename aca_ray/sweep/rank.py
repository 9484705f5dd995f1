"""Ranking checkpoints that somebody names, without a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aca_ray.errors import SweepError
from aca_ray.pipeline.ranking_orders import RankingOrder
from aca_ray.storage import StoragePath
from aca_ray.sweep.cluster import ray_session
from aca_ray.sweep.interrupt import Interrupt
from aca_ray.sweep.ranking import RankingTasks


def rank_checkpoints(orders: Sequence[RankingOrder], threads: int) -> dict[StoragePath, dict[str, Any]]:
    """Carry out orders as Ray tasks on this machine and return the summary per checkpoint.

    Raises:
        SweepError: some could not be carried out; the others' answers are on the disk.
    """
    summaries: dict[StoragePath, dict[str, Any]] = {}
    with Interrupt().handling_signals(), ray_session(None) as resources:
        tasks = RankingTasks(threads, 0.0, max_in_flight=max(1, int(resources.get("CPU", 1)) // threads), resources={})
        for order in orders:
            tasks.submit(order)
        while not tasks.idle:
            for order, summary in tasks.poll(timeout=1.0):
                summaries[order.checkpoint] = summary
    if tasks.failures:
        raise SweepError("\n".join(f"{folder}: {reason}" for folder, reason in tasks.failures.items()))
    return summaries
