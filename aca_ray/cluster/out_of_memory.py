"""Processes that Ray's memory monitor ends count as dead, like those that the operating system ends.

Ray reports them by an `OutOfMemoryError`, which is no `RayActorError`. Tune takes it for an error of its own and ends
the whole sweep (Ray 2.60).
"""

from __future__ import annotations

from ray.air.execution._internal import actor_manager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import tune_controller


def count_as_deaths() -> None:
    """Have Tune in this process treat such an error as the death of a trial's process."""
    for module in (actor_manager, tune_controller):
        vars(module)["RayActorError"] = (RayActorError, OutOfMemoryError)  # both only ask whether an error is one
