"""Cost of every arm, and the Pareto front of accuracy and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from aca_ray.comparison.arms import Arm
from aca_ray.comparison.groups import GroupComparison
from aca_ray.comparison.kinds import ALLOCATED


@dataclass(frozen=True)
class CostRow:
    """Cost and accuracy of one arm, means over search seeds.

    Attributes:
        networks: `searched`, `skip-free`, or `allocated` by the main pair.
        n: number of search seeds.
        search_seconds: time of the search; None if unknown, as for all fields below.
        ranking_seconds: time of ranking and allocating channels; None unless they are allocated.
        evaluation_seconds: time of the retraining; 0 for retrainings copied from identical ones.
        num_shared: number of copied retrainings.
        search_device: names of the processors or GPUs.
        peak_bytes: peak memory of any search or retraining.
        on_front: whether no arm of the same space, data, protocol and devices has at least the same accuracy in less
            total time of search, ranking and retraining; None if the time is unknown or retrainings were copied.
    """

    method: str
    networks: str
    space: str
    data: str
    setting: str
    protocol: str
    epochs: int
    n: int
    search_seconds: float | None
    ranking_seconds: float | None
    evaluation_seconds: float
    num_shared: int
    search_device: str | None
    evaluation_device: str | None
    peak_bytes: float | None
    parameters: float
    macs: float
    test_accuracy: float
    on_front: bool | None

    @property
    def seconds(self) -> float | None:
        """Total time of search, ranking and retraining.

        None if the time of search or ranking is unknown, or if retrainings were copied: the arm alone would cost more.
        """
        is_unknown = self.search_seconds is None or (self.networks == ALLOCATED and self.ranking_seconds is None)
        if is_unknown or self.num_shared:
            return None
        return (self.search_seconds or 0.0) + (self.ranking_seconds or 0.0) + self.evaluation_seconds


def cost_rows(groups: Sequence[GroupComparison]) -> tuple[CostRow, ...]:
    """Return one row per searched, skip-free and allocated arm, the allocated one of the main pair."""
    rows = [_cost_row(arm) for group in groups for arm in group.arms.values()]
    return tuple(replace(row, on_front=_on_front(row, rows)) for row in rows)


def _cost_row(arm: Arm) -> CostRow:
    return CostRow(
        **arm.group._asdict(),
        networks=arm.networks,
        n=arm.test_accuracy.n,
        search_seconds=arm.search_seconds,
        ranking_seconds=arm.ranking_seconds,
        evaluation_seconds=arm.evaluation_seconds,
        num_shared=arm.num_shared,
        search_device=", ".join(arm.search_devices) or None,
        evaluation_device=", ".join(arm.evaluation_devices) or None,
        peak_bytes=arm.peak_bytes,
        parameters=arm.parameters,
        macs=arm.macs,
        test_accuracy=arm.test_accuracy.mean,
        on_front=None,
    )


def _on_front(row: CostRow, rows: Sequence[CostRow]) -> bool | None:
    seconds = row.seconds
    if seconds is None:
        return None
    return not any(
        other.seconds is not None and other.seconds < seconds and other.test_accuracy >= row.test_accuracy
        for other in rows
        if _place(other) == _place(row)
    )


def _place(row: CostRow) -> tuple[str | None, ...]:
    return row.space, row.data, row.protocol, row.search_device, row.evaluation_device
