"""Tracking on a thread of its own, so that a slow tracking server never holds up a search."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from aca_ray.pipeline.drawing import draw_search
from aca_ray.pipeline.manifest import Sweep
from aca_ray.records import AllocationFolder, TrialFolder, TrialRecord
from aca_ray.storage import StoragePath
from aca_ray.sweep.waiting import wait_for

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 120.0
_OPEN_SECONDS = 180.0  # then the sweep begins, and the tracking thread tries on


class Reporter:
    """Brings the tracking store up to date with the records on the disk.

    What a job logs is read from the disk when the job runs, so that a job lost with the process is made good by the
    next one for the same trial.

    Args:
        sweep: whose runs these are.
        main_plan: name of the main kind of plans.
    """

    def __init__(self, sweep: Sweep, main_plan: str) -> None:
        self._sweep, self._main_plan = sweep, main_plan
        self._jobs: queue.SimpleQueue[tuple[object, Callable[[], None]] | None] = queue.SimpleQueue()
        self._pending: set[object] = set()
        self._lock = threading.Lock()
        self.error: BaseException | None = None
        self.complete = False
        self._opened = threading.Event()
        self._patience_seconds = 0.0
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def start(self) -> None:
        """Open the store, then work in the background.

        Raises:
            AcaRayError: the store refuses; one that cannot be reached is tried again while the sweep goes on.
        """
        self._thread.start()
        wait_for(self._opened.wait, "MLflow to answer", logger.warning, _OPEN_SECONDS)
        if self.error is not None:
            raise self.error

    def trial(self, folder: StoragePath) -> None:
        """Log what is new in a trial's record."""
        self._put(("trial", folder), lambda: self._log_trial(folder))

    def allocation(self, search_folder: StoragePath, folder: AllocationFolder, epoch: int) -> None:
        """Log the plans of a milestone by one ranker."""
        self._put(("allocation", folder), lambda: self._log_allocation(search_folder, folder, epoch))

    def comparison(self, folder: StoragePath) -> None:
        """Log the comparison of what is found so far."""
        self._put("comparison", lambda: self._tracker.sync_comparison(folder))

    def finish(self, comparison: StoragePath, metrics: Mapping[str, float]) -> None:
        """Log the comparison, and that the sweep is done; `stop` then waits for a server that is away."""
        self._patience_seconds = _PATIENCE_SECONDS
        self._put("finish", lambda: self._tracker.finish(comparison, metrics))

    def interrupt(self) -> None:
        """Log that the sweep was stopped before its end."""
        self._put("interrupt", lambda: self._tracker.interrupt())

    def stop(self, limit_seconds: float) -> bool:
        """Wait until all is logged, or for an interrupt; return whether it was, else a resume has to log the rest.

        Args:
            limit_seconds: for how long to wait.
        """
        self._jobs.put(None)
        if self._thread.ident is not None:
            with suppress(KeyboardInterrupt):
                wait_for(self._ended, "MLflow to take what is not logged yet", logger.warning, limit_seconds)
        return self.complete

    def _ended(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _put(self, key: object, job: Callable[[], None]) -> None:
        with self._lock:
            if key in self._pending:  # the job that waits will read the newer record
                return
            self._pending.add(key)
        self._jobs.put((key, job))

    def _run(self) -> None:
        try:
            from aca_ray.tracking import Tracker, open_store

            spec = self._sweep.spec
            self._tracker = Tracker(
                open_store(spec.runtime.tracking, self._sweep.storage), spec.name, self._sweep.identity
            )
            versions = [(version.written_ms, version.text) for version in self._sweep.versions]
            self._tracker.open(self._sweep.text, spec.experiment.model_dump(mode="json"), spec.description, versions)
            self._opened.set()
            while (item := self._jobs.get()) is not None:
                key, job = item
                with self._lock:
                    self._pending.discard(key)
                try:
                    job()
                except Exception:
                    logger.exception("tracking: %s could not be logged; a resume logs it again", key)
            self.complete = self._tracker.flush(self._patience_seconds)
        except BaseException as error:
            self.error = error
            if self._opened.is_set():
                logger.warning("tracking: off (%s); the sweep goes on, and a resume logs what is missing", error)
            self._opened.set()

    def _log_trial(self, folder: StoragePath) -> None:
        record = TrialRecord.read(folder)
        if record is None:
            return
        draw_search(record, TrialFolder(folder))
        self._tracker.sync(record.to_json(), TrialFolder(folder))

    def _log_allocation(self, search_folder: StoragePath, folder: AllocationFolder, epoch: int) -> None:
        record = TrialRecord.read(search_folder)
        if record is not None:
            self._tracker.sync_allocation(record.to_json(), folder, epoch, self._main_plan)
