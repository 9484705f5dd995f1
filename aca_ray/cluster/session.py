"""Joining a Ray cluster, or starting one on this machine for the duration of a sweep."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any

from aca_ray.cluster.address import require_cluster
from aca_ray.cluster.local_ray import local_ray, require_home
from aca_ray.cluster.watcher import Watcher, watched
from aca_ray.errors import SweepError

logger = logging.getLogger(__name__)

# Ray reads these when it is imported or started. A value set by the user takes precedence.
_ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SCHEDULER_EVENTS": "0",
    "RAY_TQDM_PATCH_PRINT": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    # A trial that reserves no GPU must not see the GPUs of its machine.
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1",
    # Trials read and write absolute paths.
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    # While trials hold all CPUs, Ray ends an idle process after a second by default, and each ranking would start one
    # anew and spend seconds of a CPU on imports. Where memory is short, Ray ends it all the same.
    "RAY_idle_worker_killing_time_threshold_ms": "60000",
    # A sweep is not resumed from Tune's own state: write little of it.
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",
    # With an own search algorithm, Tune would start one trial at a time. The algorithm limits the number itself.
    "TUNE_MAX_PENDING_TRIALS_PG": "200",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
    # The view reports in one line what Tune would print on a page.
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    # The sweep handles all signals itself.
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
}
_SHUTDOWN_SECONDS = 20.0
_OBJECT_STORE_BYTES = 128 * 1024 * 1024  # trials exchange paths, not tensors

for _name, _value in _ENVIRONMENT.items():
    os.environ.setdefault(_name, _value)

require_home()

import ray  # noqa: E402 - the environment has to be set before
from ray import tune  # noqa: E402
from ray._private import ray_constants  # noqa: E402
from ray.tune.execution.class_cache import ENV_VARS_TO_PROPAGATE  # noqa: E402
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy  # noqa: E402

from aca_ray.cluster.detached import detached  # noqa: E402

__all__ = [
    "NodeAffinitySchedulingStrategy",
    "cluster_address",
    "ray",
    "ray_session",
    "tune",
]  # the other modules import ray from here, after the environment is set

# Tune would put these on the command lines of trials, and where every holder of Ray's token can read them.
ENV_VARS_TO_PROPAGATE.difference_update({name for name in ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")})


def cluster_address(address: str | None) -> str | None:
    """Return the address of the running cluster to join, or None to start Ray on this machine.

    Args:
        address: None reads RAY_ADDRESS, which Ray sets in its jobs.
    """
    return address or os.environ.get("RAY_ADDRESS")


@contextmanager
def ray_session(address: str | None) -> Iterator[dict[str, float]]:
    """Yield the cluster's resources while connected.

    A cluster started here ends with the block, or within seconds after this process was killed. A session that is
    already open is used and left open, and a cluster that was already running continues.

    Args:
        address: see `cluster_address`.

    Raises:
        SweepError: no cluster answers there, or Ray cannot start on this machine.
    """
    if ray.is_initialized():
        yield ray.cluster_resources()
        return
    address = cluster_address(address)
    with ExitStack() as stack:
        watcher = None
        if not address:
            stack.enter_context(local_ray())
            watcher = stack.enter_context(watched())
        with _joined(address, nullcontext() if watcher is None else detached(watcher)) as resources:
            try:
                yield resources
            finally:
                hurry = threading.Timer(_SHUTDOWN_SECONDS, _hurry, [watcher])
                stack.callback(hurry.cancel)
                hurry.daemon = True
                hurry.start()


@contextmanager
def _joined(address: str | None, starting: AbstractContextManager[None]) -> Iterator[dict[str, float]]:
    """Yield the resources of the cluster at an address, or of one started here inside the context `starting`."""
    # Otherwise a local Ray listens on all addresses of this machine, whichever address it is given.
    ray_constants.ENABLE_RAY_CLUSTER = bool(address)
    local: dict[str, Any] = {} if address else {"include_dashboard": False, "object_store_memory": _OBJECT_STORE_BYTES}
    if address:
        require_cluster(address)
    try:
        with _initializing(), starting:
            ray.init(address=address or "local", log_to_driver=False, logging_level=logging.ERROR, **local)
    except Exception as error:  # Ray raises a bare one if a node does not start within 30 s
        raise SweepError(
            f"address: cannot join the Ray cluster at {address} ({error}). Correct the address, or start one with "
            "`ray start --head`"
            if address
            else f"Ray cannot start on this machine ({error}). Its logs are in the folder ray/session_latest/logs of "
            "RAY_TMPDIR, TMPDIR or /tmp; or start a cluster with `ray start --head` and give --address auto"
        ) from error
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    try:
        yield ray.cluster_resources()
    finally:
        ray.shutdown()


def _hurry(watcher: Watcher | None) -> None:
    """Log that Ray has not ended, and kill its processes on this machine, which it would wait for forever."""
    logger.warning("Ray has not ended within %g s; killing its remaining processes on this machine", _SHUTDOWN_SECONDS)
    if watcher is not None:
        watcher.end()


@contextmanager
def _initializing() -> Iterator[None]:
    """Restore the SIGTERM handler, which Ray replaces, and shut Ray down if its start fails or is interrupted."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    except BaseException as error:
        ray.shutdown()
        if isinstance(error, SystemExit):  # raised by Ray's handler of SIGTERM
            raise KeyboardInterrupt from None
        raise
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
