"""The driver of a sweep: hands out to a pool whatever is ready, and follows what comes back."""

from __future__ import annotations

import heapq
import itertools
import logging
from collections.abc import Iterable, Sequence
from functools import partial

from aca_ray.display import View
from aca_ray.driver.assignment import record_failure
from aca_ray.driver.comparing import Comparisons
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.packing import automatic_sizes
from aca_ray.driver.page import RunningPage
from aca_ray.driver.pool import Pool
from aca_ray.driver.ranking import RankingTasks
from aca_ray.driver.reporter import Reporter
from aca_ray.errors import MalformedFileError, StorageError
from aca_ray.records import TrialRecord
from aca_ray.storage import StoragePath
from aca_ray.storage.patience import PATIENCE_SECONDS, patiently
from aca_ray.sweep.growing import abandoned
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import (
    NetworkOrder,
    Order,
    SearchOrder,
    all_orders,
    packable_searches,
    packed_searches,
    search_orders,
)
from aca_ray.sweep.ranking_orders import RankingOrder
from aca_ray.sweep.sharing import SharedTrainings, lost_its_source, share_result
from aca_ray.sweep.sweep_graph import SweepJob, milestone_files, record_of, relative_length, sweep_graph

logger = logging.getLogger(__name__)


class Driver:
    """Runs the unfinished jobs of a sweep in a pool, each as soon as what it needs exists.

    Look-ups take precedence, since they take no time; then the longest chain of jobs, since it ends last. Equal
    retrainings are trained once.

    Args:
        sweep: sweep to run.
        pool: processes for its trials and rankings.
        view: display of the trials.
        reporter: tracking of the trials.
        interrupt: request to stop.

    Attributes:
        failures: one sentence for each trial that failed or could not start, once the pool has stopped.
    """

    def __init__(self, sweep: Sweep, pool: Pool, view: View, reporter: Reporter, interrupt: Interrupt) -> None:
        self._sweep, self._pool, self._view = sweep, pool, view
        self._reporter, self._interrupt = reporter, interrupt
        self._orders: dict[StoragePath, Order] = {order.folder: order for order in all_orders(sweep)}
        runtime = sweep.spec.runtime
        self._rankings = RankingTasks(pool, runtime.cpus_per_trial, runtime.gpus_per_trial)
        self._page = RunningPage(sweep, view, lambda: min(pool.slots, runtime.max_concurrent or pool.slots))
        self._comparisons = Comparisons(sweep, pool, self._compared)
        self._shared = SharedTrainings(self._train, self._share)
        self._ready: list[tuple[bool, float, int, tuple[Order, ...]]] = []  # a heap
        self._numbers = itertools.count()
        self._running: set[StoragePath] = set()  # folders of the first order of every process
        self._is_storage_down = False
        self._noted: set[StoragePath] = set()  # folders of trials that could not start
        self.failures: list[str] = []

    def run(self) -> None:
        """Run everything that is not done yet; return early on an interrupt.

        Raises:
            MalformedFileError: records of trials are damaged; names all of them.
        """
        self._view.open(list(self._orders.values()))
        self._catch_up()
        self._page.open()
        with self._interrupt.only_noted():
            self._pool.run(self)
        if not self._interrupt.requested:
            self._comparisons.finish(self._view.say)
            self._note_failures()

    @property
    def over(self) -> bool:
        """Whether no trial will be handed out any more: the others need what nothing makes."""
        return not self._ready and not self._running and self._rankings.idle

    def next(self) -> tuple[Order, ...] | None:
        """Return the orders of the next process, or None while no trial is ready."""
        if not self._ready:
            return None
        *_, orders = heapq.heappop(self._ready)
        self._running.add(orders[0].folder)
        logger.info("start: %s", ", ".join(f"{order.trial.kind} {order.trial.short}" for order in orders))
        return orders

    def changed(self, folder: StoragePath) -> None:
        """Show and log a trial, and start the rankings of new milestones."""
        self._view.update(folder)
        self._reporter.trial(folder)
        order = self._orders[folder]
        if isinstance(order, SearchOrder) and order.trial.skip == "allocated":
            record = self._read(folder)
            if record is not None:
                self._made(milestone_files(order, record.milestones))

    def died(self, orders: Sequence[Order]) -> None:
        """Show that the process of trials died."""
        for order in orders:
            self._view.note(order.folder, "its process died; it is restarted from its last checkpoint")

    def give_up(self, orders: Sequence[Order]) -> None:
        """Record that the process of trials died too often."""
        tries = self._sweep.spec.runtime.max_failures + 1
        error = f"its process died in {tries} of {tries} tries on a live node (out of memory? a crash in a library?)"
        for order in orders:
            if not _is_finished(self._read(order.folder)):
                patiently(partial(record_failure, order, error))

    def ended(self, orders: Sequence[Order]) -> None:
        """Release what was waiting for trials, or note that it can never start."""
        self._running.discard(orders[0].folder)
        for order in orders:
            self.changed(order.folder)
            record = self._read(order.folder)
            if isinstance(order, NetworkOrder):
                (self._shared.finished if _is_finished(record) else self._shared.failed)(order)
            elif _is_finished(record):
                self._made([record_of(order)])
            elif not self._interrupt.requested:
                files = [*milestone_files(order, order.trial.milestones), record_of(order)]
                self._lost(files, f"its search {order.trial.short} has not finished")

    def turn(self) -> None:
        """Collect rankings, compare the results so far if it is time, and redraw the view."""
        for order, outcome in self._rankings.poll():
            assert order.search is not None
            if isinstance(outcome, Exception):
                reason = (str(outcome).strip() or repr(outcome)).splitlines()[-1]
                self._lost([order.folder.summary], f"ranking of search {order.search.name} failed ({reason})")
            else:
                self._view.update(order.search)
                self._view.ranked(order.search, outcome)
                self._reporter.allocation(order.search, order.folder, order.epoch)
                self._made([order.folder.summary])
        self._comparisons.poll()
        if not self._comparisons.running:  # it writes the page
            self._page.poll()
        self._view.refresh()

    def _compared(self) -> None:
        self._page.write()
        self._reporter.comparison(self._sweep.folder.comparison)

    def _catch_up(self) -> None:
        """Log what an earlier driver left behind, and release what is ready."""
        if left := abandoned(self._sweep):
            self._view.say(
                f"{len(left)} unfinished trials of an older version of the spec are skipped; their files stay"
            )
        records = self._read_records()
        for order in list(self._orders.values()):
            if order.folder in records and isinstance(order, NetworkOrder) and lost_its_source(order):
                record_of(order).unlink(missing_ok=True)
                del records[order.folder]
                self._view.update(order.folder)
        for folder in records:
            self._view.update(folder)
            self._reporter.trial(folder)
        unfinished = [order for order in self._orders.values() if not _is_finished(records.get(order.folder))]
        self._graph = sweep_graph(self._sweep, self._packs([one for one in unfinished if isinstance(one, SearchOrder)]))
        for order in unfinished:
            if order.folder in records and records[order.folder].epoch and isinstance(order, NetworkOrder):
                self._shared.reserve(order)
        for order in self._orders.values():
            if _is_finished(record := records.get(order.folder)) and isinstance(order, NetworkOrder):
                assert record is not None
                if record.shared_with is None:
                    self._shared.finished(order)
        self._release(self._graph.without_needs())
        for order in search_orders(self._sweep):
            if order.folder in records:
                record = records[order.folder]
                milestones = milestone_files(order, record.milestones)
                if not _is_finished(record):  # one whose checkpoints were deleted starts from the beginning
                    milestones = [file for file in milestones if file.is_file()]
                self._made(milestones)
                self._made([record_of(order)] if _is_finished(record) else [])

    def _read_records(self) -> dict[StoragePath, TrialRecord]:
        """Return the records of all trials that have one, by folder."""
        records: dict[StoragePath, TrialRecord] = {}
        damaged: list[str] = []
        for folder in self._orders:
            try:
                record = TrialRecord.read(folder)
            except MalformedFileError as error:
                damaged += error.problems
                continue
            if record is not None:
                records[folder] = record
        if damaged:
            raise MalformedFileError(damaged)
        return records

    def _read(self, folder: StoragePath) -> TrialRecord | None:
        """Return the record of a trial; one that can't be read counts as missing, after retries once per outage."""
        try:
            record = patiently(partial(TrialRecord.read, folder), 0.0 if self._is_storage_down else PATIENCE_SECONDS)
        except StorageError as error:
            self._is_storage_down = True
            logger.error("%s", error)
            return None
        self._is_storage_down = False
        return record

    def _packs(self, searches: Sequence[SearchOrder]) -> list[tuple[SearchOrder, ...]]:
        """Return searches in packs, each for one process."""
        runtime = self._sweep.spec.runtime
        groups = packable_searches(searches)
        if isinstance(runtime.pack, int):
            return packed_searches(groups, [runtime.pack] * len(groups))
        return packed_searches(groups, automatic_sizes(groups, runtime, self._pool, self._view.say))

    def _made(self, products: Iterable[StoragePath]) -> None:
        for product in products:
            self._release(self._graph.made(product))

    def _release(self, jobs: Iterable[SweepJob]) -> None:
        """Start rankings, and make trials ready."""
        for job in jobs:
            if isinstance(job.work, RankingOrder):
                self._rankings.submit(job.work)
                continue
            order = job.work[0]
            if isinstance(order, SearchOrder):
                self._push(job.work, self._graph.path(job))
            elif not _is_finished(self._read(order.folder)):
                self._shared.add(order)

    def _lost(self, products: Iterable[StoragePath], reason: str) -> None:
        """Note that products will never exist, and which retrainings can therefore never start."""
        for job in [job for product in products for job in self._graph.lost(product)]:
            if isinstance(job.work, RankingOrder):
                continue
            (order,) = job.work
            if isinstance(order, NetworkOrder) and not _is_finished(self._read(order.folder)):
                self._note(order, reason)
                self._shared.failed(order)

    def _push(self, orders: tuple[Order, ...], path: float) -> None:
        """Make orders ready for a process."""
        heapq.heappush(self._ready, (path > 0, -path, next(self._numbers), orders))

    def _train(self, order: NetworkOrder) -> None:
        self._push((order,), relative_length(order))

    def _share(self, order: NetworkOrder, source: StoragePath) -> None:
        """Record a retraining as finished, with the result of an equal one."""
        try:
            patiently(partial(share_result, order, source))
        except StorageError as error:
            self._note(order, f"its result could not be copied ({error})")
        self._view.update(order.folder)
        self._reporter.trial(order.folder)

    def _note(self, order: Order, reason: str) -> None:
        self._noted.add(order.folder)
        self.failures.append(f"{order.trial.kind} {order.trial.short}: {reason}")

    def _note_failures(self) -> None:
        for order in self._orders.values():
            record = self._read(order.folder)
            if record is not None and record.state == "failed":
                reason = (record.error or "").strip().splitlines()[-1:]
                self.failures.append(f"{record.kind} {order.trial.short} failed: {' '.join(reason)}")
            elif not _is_finished(record) and order.folder not in self._noted:
                self._note(order, "it has not finished; resume the sweep")


def _is_finished(record: TrialRecord | None) -> bool:
    return record is not None and record.state == "finished"
