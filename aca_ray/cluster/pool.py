"""A pool on a Ray cluster: trials as actors of one Tune run, functions as tasks."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fsspec.implementations.memory import MemoryFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem
from ray.tune.progress_reporter import TrialProgressCallback

from aca_ray.cluster.actor import TrialActor
from aca_ray.cluster.nodes import live_nodes, require_shared
from aca_ray.cluster.out_of_memory import count_as_deaths
from aca_ray.cluster.preemption import Preemption
from aca_ray.cluster.resources import accelerator, check_resources, missing_resources, trial_bundle, trial_slots
from aca_ray.cluster.session import cluster_address, ray, ray_session, tune
from aca_ray.cluster.suggestions import Suggestions, WithoutState
from aca_ray.config import RuntimeSpec
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.pool import Pool, Task, Work
from aca_ray.storage import storage_path
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import Order, order_from_json
from aca_ray.terminal import in_notebook

_LOOK_SECONDS = 5.0  # how often the size of the cluster is read


class RayPool:
    """Runs the trials and functions of a sweep on the connected cluster.

    Args:
        name: name of the sweep.
        runtime: resources of a trial.
        interrupt: request to stop.
        say: shows the user a line.
        reuses_processes: whether one process runs many trials; saves 3 s per trial, but Tune gives the next trial to a
            process whatever the state of its node. Processes with a GPU are never reused: an idle one would hold the
            GPU that a ranking waits for.
    """

    def __init__(
        self,
        name: str,
        runtime: RuntimeSpec,
        interrupt: Interrupt,
        say: Callable[[str], None],
        *,
        reuses_processes: bool,
    ) -> None:
        self._name, self._runtime, self._interrupt, self._say = name, runtime, interrupt, say
        self.reuses_processes = reuses_processes and not runtime.gpus_per_trial
        self._slots, self._look_at = 1, 0.0

    @property
    def slots(self) -> int:
        """Number of trials that the cluster can run at once, at least 1; a cluster may grow."""
        if time.monotonic() >= self._look_at:
            self._slots = max(1, trial_slots(self._runtime, ray.cluster_resources()))
            self._look_at = time.monotonic() + _LOOK_SECONDS
        return self._slots

    def run(self, work: Work) -> None:
        """Run trials with Tune until none is left, or the sweep is interrupted and all trials are saved."""
        runtime = self._runtime

        def give_up(orders: str) -> None:
            work.give_up(orders_of(orders))

        count_as_deaths()
        tune.run(
            TrialActor,
            name=self._name,
            config={"threads": runtime.cpus_per_trial, "gpus": runtime.gpus_per_trial},
            resources_per_trial=tune.PlacementGroupFactory([trial_bundle(runtime)]),
            search_alg=WithoutState(Suggestions(work, self._interrupt, self._room)),
            num_samples=-1,
            # In memory and never read: write access to the storage then cannot run code through Tune's pickles.
            storage_path="/tune",
            storage_filesystem=PyFileSystem(FSSpecHandler(MemoryFileSystem())),
            max_failures=-1,
            scheduler=Preemption(runtime.max_failures, give_up, self._interrupt, self._say),
            reuse_actors=self.reuses_processes,
            raise_on_failed_trial=False,
            callbacks=[_Watch(work)],
            verbose=0,
            # In a notebook, Tune's default reporter clears the output, the table of the sweep included.
            progress_reporter=_NoReports() if in_notebook() else None,
        )

    def start(
        self, function: Callable[..., Any], *arguments: object, cpus: int = 0, gpus: float = 0.0, alone: bool = False
    ) -> Task:
        """Start a Ray task; one with GPUs runs on the accelerator of the trials."""
        options: dict[str, Any] = {"num_cpus": cpus, "num_gpus": gpus}
        if gpus:
            options["resources"] = accelerator(self._runtime)
        if alone:
            options |= {"max_calls": 1, "max_retries": 0}
        return _RayTask(ray.remote(**options)(function).remote(*arguments))

    def _room(self, num_live: int) -> bool:
        """Return whether Tune gets one more trial: as many may wait as run, which makes an autoscaler add nodes."""
        limit = self._runtime.max_concurrent or 2 * self.slots
        return num_live < limit


@contextmanager
def ray_pool(sweep: Sweep, address: str | None, interrupt: Interrupt, say: Callable[[str], None]) -> Iterator[Pool]:
    """Yield a pool on the Ray cluster at an address (see `ray_session`).

    Args:
        sweep: sweep to run.
        address: address of the cluster; None starts Ray on this machine.
        interrupt: request to stop.
        say: shows the user a line.

    Raises:
        SweepError: no cluster answers, no trial fits on this machine, or the nodes do not share the sweep's folder.
    """
    runtime = sweep.spec.runtime
    with ray_session(address) as resources:
        interrupt.check()
        _check_room(runtime, resources, address, say)
        if len(nodes := live_nodes()) > 1:
            require_shared(sweep.folder.path, nodes)
        yield RayPool(sweep.spec.name, runtime, interrupt, say, reuses_processes=cluster_address(address) is None)


@contextmanager
def measuring_pool(
    runtime: RuntimeSpec, address: str | None, interrupt: Interrupt, say: Callable[[str], None]
) -> Iterator[Pool]:
    """Yield a pool for function calls with the resources of trials, on the Ray cluster at an address.

    Args:
        runtime: resources of a trial.
        address: address of the cluster; None starts Ray on this machine.
        interrupt: request to stop.
        say: shows the user a line.

    Raises:
        SweepError: no cluster answers, or no trial fits on this machine.
    """
    with ray_session(address) as resources:
        interrupt.check()
        _check_room(runtime, resources, address, say)
        yield RayPool("measurements", runtime, interrupt, say, reuses_processes=cluster_address(address) is None)


@contextmanager
def task_pool(threads: int, interrupt: Interrupt, say: Callable[[str], None]) -> Iterator[Pool]:
    """Yield a pool for function calls on a Ray started on this machine.

    Args:
        threads: cores that a call uses.
        interrupt: request to stop.
        say: shows the user a line.
    """
    with ray_session(None):
        yield RayPool("tasks", RuntimeSpec(cpus_per_trial=threads), interrupt, say, reuses_processes=True)


def _check_room(
    runtime: RuntimeSpec, resources: Mapping[str, float], address: str | None, say: Callable[[str], None]
) -> None:
    """Raise SweepError if no trial fits on this machine; a running cluster may grow, even from nothing."""
    if cluster_address(address) is None:
        check_resources(runtime, resources)
    elif missing := missing_resources(runtime, resources):
        say(f"{'; '.join(missing)}. Trials wait until the cluster has such a node (Ctrl-C stops the sweep)")


def orders_of(text: str) -> tuple[Order, ...]:
    """Return the orders in the config of a Tune trial."""
    return tuple(order_from_json(order) for order in json.loads(text))


class _RayTask:
    """A Ray task."""

    def __init__(self, ref: Any) -> None:
        self._ref = ref

    def done(self, timeout: float = 0.0) -> bool:
        return bool(ray.wait([self._ref], timeout=timeout)[0])

    def result(self, timeout: float | None = None) -> Any:
        return ray.get(self._ref, timeout=timeout)

    def cancel(self) -> None:
        ray.cancel(self._ref, force=True)


class _NoReports(tune.ProgressReporter):
    """Reports nothing: the sweep has a display of its own."""

    def should_report(self, trials: Any, done: bool = False) -> bool:
        return False

    def report(self, trials: Any, done: bool, *sys_info: Any) -> None:
        pass


class _Watch(TrialProgressCallback):
    """Reports every change of a trial and every turn of Tune's loop. Starts are not reported: they write no files.

    It takes the place of Tune's callback of this class, which prints to the terminal when trials fail or are stopped.
    """

    def __init__(self, work: Work) -> None:
        super().__init__()
        self._work = work

    def on_trial_result(
        self, iteration: int, trials: Sequence[Any], trial: Any, result: Mapping[str, Any], **info: Any
    ) -> None:
        for folder in result["folders"]:
            self._work.changed(storage_path(folder))

    def on_trial_recover(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        self._work.died(orders_of(trial.config["orders"]))

    def on_trial_error(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        pass

    def on_trial_complete(self, iteration: int, trials: Sequence[Any], trial: Any, **info: Any) -> None:
        pass

    def on_step_end(self, iteration: int, trials: Sequence[Any], **info: Any) -> None:
        self._work.turn()
