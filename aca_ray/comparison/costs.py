"""Cost of every arm, and the Pareto front of accuracy and time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aca_ray.comparison.arms import Arm
from aca_ray.comparison.groups import GroupComparison
from aca_ray.comparison.kinds import ALLOCATED, Place


@dataclass(frozen=True)
class Cost:
    """Cost of one arm.

    Attributes:
        arm: searched, skip-free, or allocated networks, those of the main pair.
        on_front: whether no arm of the same place and devices has at least the same accuracy in less total time of
            search, ranking and retraining; None if the time is unknown or retrainings were copied.
    """

    arm: Arm
    on_front: bool | None

    @property
    def seconds(self) -> float | None:
        """Total time of search, ranking and retraining.

        None if the time of search or ranking is unknown, or if retrainings were copied: the arm alone would cost more.
        """
        return _seconds(self.arm)


def costs_of(groups: Sequence[GroupComparison]) -> tuple[Cost, ...]:
    """Return the cost of every searched, skip-free and allocated arm, the allocated one of the main pair."""
    arms = [arm for group in groups for arm in group.arms.values()]
    return tuple(Cost(arm, _on_front(arm, arms)) for arm in arms)


def _seconds(arm: Arm) -> float | None:
    is_unknown = arm.search_seconds is None or (arm.networks == ALLOCATED and arm.ranking_seconds is None)
    if is_unknown or arm.num_shared:
        return None
    return (arm.search_seconds or 0.0) + (arm.ranking_seconds or 0.0) + arm.retraining_seconds


def _on_front(arm: Arm, arms: Sequence[Arm]) -> bool | None:
    own = _seconds(arm)
    if own is None:
        return None
    return not any(
        (seconds := _seconds(other)) is not None
        and seconds < own
        and other.test_accuracy.mean >= arm.test_accuracy.mean
        for other in arms
        if _place(other) == _place(arm)
    )


def _place(arm: Arm) -> tuple[Place, tuple[str, ...], tuple[str, ...]]:
    return arm.group.place, arm.search_devices, arm.retraining_devices
