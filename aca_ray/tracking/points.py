"""Records and allocations as points of MLflow's curves.

The timestamp of a point is part of its identity in MLflow. It comes from the record and never from the clock, so that a
point that is logged twice is the same point.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from mlflow.entities import Metric

from aca_ray.records import AllocationSummary, TrialRecord
from aca_ray.tracking import limits

# The metric that marks the rows that have arrived; it is the last point of its row.
MARKER = "epoch"
# MLflow accepts 1,000 entities per request; this leaves room for 100 params.
MAX_POINTS = 900


def row_points(record: TrialRecord, after: int) -> list[list[Metric]]:
    """Return the points of each row after epoch `after`, the marker last."""
    return [
        [
            *_points(row.metrics, row.time_ms, row.epoch),
            Metric(MARKER, float(row.epoch), row.time_ms, row.epoch),
        ]
        for row in record.rows
        if row.epoch > after
    ]


def result_points(record: TrialRecord) -> list[Metric]:
    """Return the numbers in a record's result as points named ``result/...``.

    Their step is 0: MLflow draws a metric as bars, one per run, if it has no later step.
    """
    if record.result is None:
        return []
    result = {f"result/{name}": value for name, value in asdict(record.result).items()}
    return _points(result, end_time(record) or 0, 0)


def allocation_points(allocation: AllocationSummary, main_plan: str, time_ms: int) -> list[Metric]:
    """Return the points of an allocation at the epoch of its milestone.

    ``refill/<ranker>/<plan>`` is the refilled share of every kind of plan, ``kept/<ranker>/<plan>/stage<k>/edge<i>``
    the kept share of every edge under `main_plan` (nothing if there is no such plan); ``agreement/<ranker>/...`` and
    ``decided_share/<ranker>`` are as in the file.
    """
    plans, ranker = allocation.plans, allocation.ranking
    values: dict[str, float | None] = {f"refill/{ranker}/{name}": plan.refilled_share for name, plan in plans.items()}
    if main_plan in plans:
        values |= {
            f"kept/{ranker}/{main_plan}/stage{stage}/edge{edge}": share
            for stage, edges in enumerate(plans[main_plan].kept_share)
            for edge, share in enumerate(edges)
        }
    if allocation.agreement is not None:
        values[f"agreement/{ranker}/kendall_tau"] = allocation.agreement.kendall_tau
        values[f"agreement/{ranker}/jaccard"] = allocation.agreement.jaccard
    values[f"decided_share/{ranker}"] = allocation.decided_share
    return _points(values, time_ms, allocation.epoch)


def end_time(record: TrialRecord, epoch: int | None = None) -> int | None:
    """Return the end of an epoch (None: the last), in ms since 1970, from the last row up to it; None without rows."""
    times = [row.time_ms for row in record.rows if epoch is None or row.epoch <= epoch]
    return times[-1] if times else None


def metric_key(name: str) -> str:
    """Return a name with ``_`` for every character that MLflow refuses, such as the brackets of a label."""
    return limits.distinct(re.sub(r"[^\w\-. :/]", "_", name), limits.KEY)


def batches(groups: Iterable[list[Metric]]) -> Iterator[list[Metric]]:
    """Yield the points of all groups in order, at most MAX_POINTS at a time; only groups larger than that are split."""
    batch: list[Metric] = []
    for group in groups:
        if batch and len(batch) + len(group) > MAX_POINTS:
            yield batch
            batch = []
        batch = batch + group
        while len(batch) > MAX_POINTS:
            yield batch[:MAX_POINTS]
            batch = batch[MAX_POINTS:]
    if batch:
        yield batch


def _points(values: Mapping[str, Any], time_ms: int, step: int) -> list[Metric]:
    return [
        Metric(name, float(value), time_ms, step) for name, value in values.items() if isinstance(value, (int, float))
    ]
