"""Joining a Ray cluster, or starting one on this machine for as long as a sweep runs."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Read by Ray when it is imported or started; a value that the user has set wins.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_TQDM_PATCH_PRINT": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A trial without a GPU on a machine with some must not see them.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    # Trials read and write absolute paths.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # Tune's own state is not what a sweep is resumed from: write little of it.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # The view says in a line what Tune would print a page about.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # The sweep has its own handler, which also covers SIGTERM.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
_OBJECT_STORE_BYTES = 128 * 1024 * 1024  # trials exchange paths, not tensors

for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

import ray  # noqa: E402 - the environment has to be set before
from ray import tune  # noqa: E402

__all__ = ["ray", "ray_session", "tune"]  # everybody gets ray from here, after the environment is set


@contextmanager
def ray_session(address: str | None) -> Iterator[dict[str, float]]:
    """Yield the cluster's resources while connected; a cluster started here is gone afterwards.

    A session that is open already is used and left open.

    Args:
        address: of a running cluster, or None to start Ray on this machine.
    """
    if ray.is_initialized():
        yield ray.cluster_resources()
        return
    local: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()
