"""Joining a Ray cluster, or starting one on this machine for the duration of a sweep."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

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
_STARTS = 3
_LATE = "timed out during startup"  # part of Ray's message
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
        if address:
            _join(address)
        else:
            stack.enter_context(local_ray())
            watcher = _start_here(stack)
        stack.callback(_shut_down, watcher)
        logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
        yield ray.cluster_resources()


def _join(address: str) -> None:
    require_cluster(address)
    ray_constants.ENABLE_RAY_CLUSTER = True
    try:
        with _initializing():
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except Exception as error:
        raise SweepError(
            f"address: cannot join the Ray cluster at {address} ({error}). Correct the address, or start one with "
            "`ray start --head`"
        ) from error


def _start_here(stack: ExitStack) -> Watcher:
    """Start Ray on this machine; return its watcher, which ends with the stack.

    A Ray that does not start in time, which happens on a busy machine, is ended and started again.
    """
    # Otherwise Ray listens on all addresses of this machine, whichever address it is given.
    ray_constants.ENABLE_RAY_CLUSTER = False
    for tries_left in reversed(range(_STARTS)):
        with ExitStack() as starting:
            watcher = starting.enter_context(watched())
            try:
                with _initializing(), detached(watcher):
                    ray.init(
                        address="local",
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        include_dashboard=False,
                        object_store_memory=_OBJECT_STORE_BYTES,
                    )
            except Exception as error:  # Ray has no class of its own for a late start
                if not (tries_left and _LATE in str(error)):
                    raise SweepError(
                        f"Ray cannot start on this machine ({error}). Its logs are in the folder "
                        "ray/session_latest/logs of RAY_TMPDIR, TMPDIR or /tmp; or start a cluster with "
                        "`ray start --head` and give --address auto"
                    ) from error
                logger.warning("Ray has not started in time; starting it again")
            else:
                stack.enter_context(starting.pop_all())
                return watcher
    raise AssertionError("unreachable")


def _shut_down(watcher: Watcher | None) -> None:
    """Shut Ray down. If that takes long, kill its processes on this machine, which it would wait for forever."""

    def kill() -> None:
        logger.warning("Ray has not ended within %g s; killing its remaining processes", _SHUTDOWN_SECONDS)
        if watcher is not None:
            watcher.end()

    late = threading.Timer(_SHUTDOWN_SECONDS, kill)
    late.daemon = True
    late.start()
    try:
        ray.shutdown()
    finally:
        late.cancel()


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
