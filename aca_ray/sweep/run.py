"""Driving a sweep: searches, with channel ranking while they run, then retraining, then the comparison."""

from __future__ import annotations

import gc
import json
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fsspec.implementations.memory import MemoryFileSystem
from pyarrow.fs import FSSpecHandler, PyFileSystem

from aca_ray.display import LiveView
from aca_ray.errors import MalformedFileError
from aca_ray.pipeline.assignment import record_failure
from aca_ray.pipeline.growing import abandoned, driven_elsewhere, require_newest
from aca_ray.pipeline.manifest import Sweep
from aca_ray.pipeline.orders import (
    EvaluationOrder,
    Order,
    SearchOrder,
    alike_orders,
    all_orders,
    evaluation_orders,
    needs_ranking,
    order_from_json,
    packed_orders,
    plans_of,
    rankings_of,
    search_orders,
)
from aca_ray.pipeline.ranking_orders import milestone_orders
from aca_ray.pipeline.sharing import SharedTraining, lost_its_source, share, shared_trainings
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.storage import StoragePath, storage_path
from aca_ray.storage.files import remove_leftovers
from aca_ray.storage.lock import exclusive
from aca_ray.sweep.actor import TrialActor
from aca_ray.sweep.cluster import cluster_address, ray_session, tune
from aca_ray.sweep.comparing import Comparisons
from aca_ray.sweep.interrupt import Interrupt
from aca_ray.sweep.nodes import live_nodes, require_shared
from aca_ray.sweep.packing import automatic_sizes
from aca_ray.sweep.preemption import Preemption
from aca_ray.sweep.ranking import RankingTasks
from aca_ray.sweep.reporter import Reporter
from aca_ray.sweep.resources import accelerator, check_resources, trial_bundle
from aca_ray.sweep.waiting import wait_for

if TYPE_CHECKING:
    from aca_ray.comparison import Comparison

logger = logging.getLogger(__name__)

_TRACKING_SECONDS = 600.0  # for a slow server; the wait for an unreachable one ends earlier
_INTERRUPTED_SECONDS = 30.0


@dataclass(frozen=True)
class SweepOutcome:
    """How a driven sweep ended.

    Attributes:
        comparison: comparison of all finished trials, or None if no retraining has finished.
        interrupted: whether the sweep was stopped before its end and can be resumed.
        failures: one sentence per trial that failed or could not start.
        tracked: whether the tracking store is complete.
    """

    comparison: Comparison | None
    interrupted: bool
    failures: tuple[str, ...]
    tracked: bool


def drive_sweep(sweep: Sweep, address: str | None, view: LiveView) -> SweepOutcome:
    """Run everything in a sweep that is not done yet, on the Ray cluster at an address (see `ray_session`).

    Raises:
        SweepError: another process drives this sweep or has given it another spec, no cluster answers, its resources
            can never hold a trial, or its nodes do not share the sweep's folder.
    """
    sweep.folder.path.mkdir(parents=True, exist_ok=True)
    with Interrupt().handling_signals() as interrupt, exclusive(sweep.folder.lock, wait=False) as free:
        if not free:
            raise driven_elsewhere(sweep.folder)
        require_newest(sweep)
        remove_leftovers(sweep.folder.path)
        reporter = Reporter(sweep, plans_of(sweep)[0].name)
        gc.freeze()  # torch and Ray are no garbage: a collection over them takes 0.2 s; MLflow's import makes two
        try:
            with ray_session(address) as resources:
                interrupt.check()
                check_resources(sweep.spec.runtime, resources)
                if len(nodes := live_nodes()) > 1:
                    require_shared(sweep.folder.path, nodes)
                reporter.start()
                interrupt.check()
                local = cluster_address(address) is None
                driver = _Driver(sweep, view, reporter, interrupt, resources, reuse_actors=local)
                try:
                    driver.run()
                except KeyboardInterrupt:  # between Tune's runs
                    interrupt.requested = True
                if interrupt.requested:
                    reporter.interrupt()  # first: the sender of the signal may not wait for the rest
            comparison = driver.compare()
            interrupted = interrupt.requested  # a signal after this ends only the wait for MLflow
        except BaseException:
            reporter.interrupt()
            raise
        finally:
            view.close()
            tracked = reporter.stop(_INTERRUPTED_SECONDS if interrupt.requested else _TRACKING_SECONDS)
            gc.unfreeze()
        return SweepOutcome(comparison, interrupted, tuple(driver.failures), tracked)


class _Driver:
    """Drives a sweep on the connected cluster.

    Args:
        sweep: sweep to run.
        view: display of the trials.
        reporter: tracking of the trials.
        interrupt: request to stop.
        resources: resources of the cluster.
        reuse_actors: whether one process runs many trials; saves 3 s per trial, but Tune gives the next trial to a
            process whatever the state of its node.
    """

    def __init__(
        self,
        sweep: Sweep,
        view: LiveView,
        reporter: Reporter,
        interrupt: Interrupt,
        resources: dict[str, float],
        *,
        reuse_actors: bool,
    ) -> None:
        self.sweep, self.view, self.reporter, self.reuse_actors = sweep, view, reporter, reuse_actors
        self.interrupt = interrupt
        self.failures: list[str] = []
        self.runtime = sweep.spec.runtime
        self.searches = search_orders(sweep)
        self.rankings = rankings_of(sweep) if needs_ranking(sweep) else ()
        slots = int(resources.get("CPU", 1) // self.runtime.cpus_per_trial)
        self.ranking = RankingTasks(
            self.runtime.cpus_per_trial,
            self.runtime.gpus_per_trial,
            max_in_flight=max(1, slots // 2),
            resources=accelerator(self.runtime),
        )
        self.comparisons = Comparisons(sweep, lambda: reporter.comparison(sweep.folder.comparison))
        self.by_folder: dict[StoragePath, SearchOrder] = {order.folder: order for order in self.searches}

    def run(self) -> None:
        self.view.open(all_orders(self.sweep))
        self._catch_up()
        self._run_trials(self.searches, self._search_changed, self._poll_ranking)
        wait_for(self._ranked, "the channel rankings of the last milestones", self.view.say)
        if self.interrupt.requested:
            return
        ready = []
        for search in self.searches:
            for order in evaluation_orders(self.sweep, search):
                missing = self._missing(order)
                if missing is None:
                    ready.append(order)
                else:
                    self.failures.append(missing)
        self._evaluate(ready)
        if not self.interrupt.requested:
            self.comparisons.finish(self.view.say)

    def _evaluate(self, orders: Sequence[EvaluationOrder]) -> None:
        """Run retrainings; equal ones are trained once.

        If the trained one of a group fails, only this one is failed, and the next of the group is trained.
        """
        groups = shared_trainings(orders)
        for group in groups:
            if group.source is not None:
                self._share(group)
        while (groups := [group for group in groups if group.orders]) and not self.interrupt.requested:
            trained = {group.orders[0].folder: group for group in groups}
            heads = [group.orders.pop(0) for group in groups]

            def changed(folder: StoragePath, trained: dict[StoragePath, SharedTraining] = trained) -> None:
                self.reporter.trial(folder)
                group = trained[folder]
                if group.orders and _state_in(folder) == "finished":
                    group.source = folder
                    self._share(group)

            self._run_trials(heads, changed, lambda: None)
            for folder in trained:  # also trials that finished without a report
                changed(folder)

    def _share(self, group: SharedTraining) -> None:
        """Record all retrainings of a group as finished, with the result of the trained one."""
        assert group.source is not None
        while group.orders:
            order = group.orders.pop(0)
            share(order, group.source)
            self.view.update(order.folder)
            self.reporter.trial(order.folder)

    def compare(self) -> Comparison | None:
        """Return and log the comparison of the finished trials, or None if no retraining has finished."""
        # Imported here, so that the first trials do not wait for the statistics and plot libraries.
        from aca_ray.pipeline.comparing import compare_sweeps

        self._note_failures()
        done = any(
            isinstance(order, EvaluationOrder) and _state(order) == "finished" for order in all_orders(self.sweep)
        )
        comparison = compare_sweeps([self.sweep], self.sweep.folder.comparison) if done else None
        if not self.interrupt.requested:
            self.reporter.finish(self.sweep.folder.comparison, {} if comparison is None else _metrics(comparison))
        return comparison

    def _catch_up(self) -> None:
        """Log and rank what an earlier driver left behind; raise an error if any record is damaged."""
        if left := abandoned(self.sweep):
            self.view.say(
                f"{len(left)} unfinished trials of an older version of the spec are skipped; their files stay"
            )
        damaged: list[str] = []
        for order in all_orders(self.sweep):
            try:
                record = TrialRecord.read(order.folder)
            except MalformedFileError as error:
                damaged += error.problems
                continue
            if record is not None and not damaged:
                self.view.update(order.folder)
                if isinstance(order, SearchOrder):
                    self._search_changed(order.folder)
                else:
                    self.reporter.trial(order.folder)
        if damaged:
            raise MalformedFileError(damaged)
        for search in self.searches:
            for order in evaluation_orders(self.sweep, search):
                if lost_its_source(order):
                    TrialFolder(order.folder).record.unlink(missing_ok=True)
                    self.view.update(order.folder)

    def _run_trials(
        self, orders: Sequence[Order], changed: Callable[[StoragePath], None], between: Callable[[], None]
    ) -> None:
        todo = [order for order in orders if _state(order) != "finished"]
        if not todo or self.interrupt.requested:
            return
        runtime = self.runtime
        config = {
            # As text: Tune would copy all other objects for every order.
            "orders": tune.grid_search(
                [json.dumps([order.to_json() for order in group]) for group in self._packed(todo)]
            ),
            "threads": runtime.cpus_per_trial,
            "gpus": runtime.gpus_per_trial,
        }

        def saw(folder: StoragePath) -> None:
            self.view.update(folder)
            changed(folder)

        def died(folder: StoragePath) -> None:
            self.view.note(folder, "its process died; it is restarted from its last checkpoint")

        def turn() -> None:
            between()
            self.comparisons.poll()
            self.view.refresh()

        with self.interrupt.only_noted():
            tune.run(
                TrialActor,
                name=self.sweep.spec.name,
                config=config,
                resources_per_trial=tune.PlacementGroupFactory([trial_bundle(runtime)]),
                max_concurrent_trials=runtime.max_concurrent,
                # In memory and never read: write access to the storage then cannot run code through Tune's pickles.
                storage_path="/tune",
                storage_filesystem=PyFileSystem(FSSpecHandler(MemoryFileSystem())),
                max_failures=-1,
                scheduler=Preemption(runtime.max_failures, self._give_up, self.interrupt, self.view.say),
                reuse_actors=self.reuse_actors,
                raise_on_failed_trial=False,
                callbacks=[_Watch(saw, died, turn)],
                verbose=0,
            )

    def _packed(self, orders: Sequence[Order]) -> list[tuple[Order, ...]]:
        """Return orders in groups, each for one process."""
        groups, pack = alike_orders(orders), self.runtime.pack
        sizes = [pack] * len(groups) if isinstance(pack, int) else automatic_sizes(groups, self.runtime, self.view.say)
        return packed_orders(groups, sizes)

    def _give_up(self, orders: str) -> None:
        tries = self.runtime.max_failures + 1
        error = f"its process died in {tries} of {tries} tries on a live node (out of memory? a crash in a library?)"
        for order in map(order_from_json, json.loads(orders)):
            if _state(order) != "finished":
                record_failure(order, error)
                self.view.update(order.folder)
                self.reporter.trial(order.folder)

    def _search_changed(self, folder: StoragePath) -> None:
        self.reporter.trial(folder)
        if self.by_folder[folder].trial.skip != "allocated" or (record := TrialRecord.read(folder)) is None:
            return
        order = self.by_folder[folder]
        for milestone in milestone_orders(self.sweep, order, record.milestones, self.rankings, plans_of(self.sweep)):
            self.ranking.submit(milestone)

    def _poll_ranking(self, timeout: float = 0.0) -> None:
        for done, _ in self.ranking.poll(timeout):
            assert done.search is not None
            self.view.update(done.search)
            self.reporter.allocation(done.search, done.folder, done.epoch)

    def _ranked(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for a channel ranking; return whether none is running any more."""
        self._poll_ranking(timeout)
        self.view.refresh()
        return self.ranking.idle or self.interrupt.requested

    def _missing(self, order: EvaluationOrder) -> str | None:
        """Return why a retraining cannot start, or None."""
        if _state(order) == "finished":
            return None
        record = TrialRecord.read(order.search_folder)
        if record is None or record.state != "finished":
            return f"retraining {order.trial.short}: its search {order.search.short} has not finished"
        if order.trial.ranking is not None:
            folder = TrialFolder(order.search_folder).allocation(order.search.epochs, order.trial.ranking)
            if folder in self.ranking.failures or not folder.summary.exists():
                reason = self.ranking.failures.get(folder, "no plan was written").splitlines()[-1]
                return f"retraining {order.trial.short}: ranking of search {order.search.short} failed ({reason})"
        return None

    def _note_failures(self) -> None:
        if self.interrupt.requested:
            return
        for order in all_orders(self.sweep):
            record = TrialRecord.read(order.folder)
            if record is not None and record.state == "failed":
                reason = (record.error or "").strip().splitlines()[-1:]
                self.failures.append(f"{record.kind} {order.trial.short} failed: {' '.join(reason)}")


class _Watch(tune.Callback):
    """Reports every change of a trial and every turn of Tune's loop. Starts are not reported: they write no files."""

    def __init__(
        self, changed: Callable[[StoragePath], None], died: Callable[[StoragePath], None], turn: Callable[[], None]
    ) -> None:
        self._changed, self._died, self._turn = changed, died, turn

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._tell(self._changed, map(storage_path, result["folders"]))

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(self._died, _folders(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._tell(self._changed, _folders(trial))

    @staticmethod
    def _tell(of: Callable[[StoragePath], None], folders: Iterable[StoragePath]) -> None:
        for folder in folders:
            of(folder)

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._turn()


def _folders(trial: Any) -> Iterator[StoragePath]:
    return (storage_path(order["folder"]) for order in json.loads(trial.config["orders"]))


def _state(order: Order) -> str | None:
    return _state_in(order.folder)


def _state_in(folder: StoragePath) -> str | None:
    record = TrialRecord.read(folder)
    return None if record is None else record.state


def _metrics(comparison: Comparison) -> dict[str, float]:
    """Return the metrics of a comparison for the parent run of the sweep."""
    from aca_ray.comparison import comparison_metrics

    return comparison_metrics(comparison)
