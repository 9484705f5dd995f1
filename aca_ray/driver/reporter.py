"""Tracking on a separate thread, so that a slow tracking server never delays a search."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress

from aca_ray.driver.mirror import OpenMirror
from aca_ray.driver.waiting import wait_for
from aca_ray.records import AllocationFolder, SearchRecord, SweepRecord, TrialFolder, TrialRecord
from aca_ray.storage import StoragePath
from aca_ray.sweep.manifest import Sweep
from aca_ray.trials.drawing import draw_search

logger = logging.getLogger(__name__)

_PATIENCE_SECONDS = 120.0
_OPEN_SECONDS = 180.0  # then the sweep starts, and the tracking thread keeps trying


class Reporter:
    """Keeps the tracking store up to date with the stored records.

    A job reads the records when it runs. If the process dies before a job is done, the next job of the same trial logs
    everything that is missing.

    Args:
        sweep: sweep to track.
        main_plan: name of the main kind of plans.
        open_mirror: connects to the tracker.
    """

    def __init__(self, sweep: Sweep, main_plan: str, open_mirror: OpenMirror) -> None:
        self._sweep, self._main_plan, self._open_mirror = sweep, main_plan, open_mirror
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
            AcaRayError: the store refuses. An unreachable store is retried while the sweep runs.
        """
        self._thread.start()
        wait_for(self._opened.wait, "the tracking store to answer", logger.warning, _OPEN_SECONDS)
        if self.error is not None:
            raise self.error

    def trial(self, folder: StoragePath) -> None:
        """Log what is new in a trial's record."""
        self._put(("trial", folder), lambda: self._log_trial(folder))

    def allocation(self, search_folder: StoragePath, folder: AllocationFolder, epoch: int) -> None:
        """Log the plans of a milestone by one ranker."""
        self._put(("allocation", folder), lambda: self._log_allocation(search_folder, folder, epoch))

    def comparison(self, folder: StoragePath) -> None:
        """Log the comparison of the results so far."""
        self._put("comparison", lambda: self._mirror.sync_comparison(folder))

    def finish(self, comparison: StoragePath, metrics: Mapping[str, float]) -> None:
        """Log the comparison and the end of the sweep; `stop` then waits for an unreachable server."""
        self._patience_seconds = _PATIENCE_SECONDS
        self._put("finish", lambda: self._mirror.finish(comparison, metrics))

    def interrupt(self) -> None:
        """Log that the sweep was interrupted."""
        self._put("interrupt", lambda: self._mirror.interrupt())

    def stop(self, limit_seconds: float) -> bool:
        """Wait until everything is logged; return False after the limit or an interrupt, when a resume logs the rest.

        Args:
            limit_seconds: longest time to wait.
        """
        self._jobs.put(None)
        if self._thread.ident is not None:
            with suppress(KeyboardInterrupt):
                wait_for(self._ended, "the tracking store to take the rest", logger.warning, limit_seconds)
        return self.complete

    def _ended(self, timeout: float) -> bool:
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _put(self, key: object, job: Callable[[], None]) -> None:
        with self._lock:
            if key in self._pending:  # the waiting job will read the newer record
                return
            self._pending.add(key)
        self._jobs.put((key, job))

    def _run(self) -> None:
        try:
            spec = self._sweep.spec
            self._mirror = self._open_mirror(self._sweep)
            versions = [(version.written_ms, version.text) for version in self._sweep.versions]
            self._mirror.open(self._sweep.text, spec.experiment.model_dump(mode="json"), spec.description, versions)
            self._opened.set()
            failed: dict[object, Callable[[], None]] = {}
            while (item := self._jobs.get()) is not None:
                key, job = item
                with self._lock:
                    self._pending.discard(key)
                if _is_done(key, job):
                    failed.pop(key, None)
                else:
                    failed[key] = job
            lost = [key for key, job in failed.items() if not _is_done(key, job)]
            self.complete = self._mirror.flush(self._patience_seconds) and not lost
        except BaseException as error:
            self.error = error
            if self._opened.is_set():
                logger.warning("tracking: off (%s); the sweep continues, and a resume logs what is missing", error)
            self._opened.set()

    def _log_trial(self, folder: StoragePath) -> None:
        record = TrialRecord.read(folder)
        if not isinstance(record, SweepRecord):
            return
        draw_search(record, TrialFolder(folder))
        self._mirror.sync(record, TrialFolder(folder))

    def _log_allocation(self, search_folder: StoragePath, folder: AllocationFolder, epoch: int) -> None:
        record = SearchRecord.read(search_folder)
        if record is not None:
            self._mirror.sync_allocation(record, folder, epoch, self._main_plan)


def _is_done(key: object, job: Callable[[], None]) -> bool:
    """Run a job; return whether it raised no error, which is logged."""
    try:
        job()
    except Exception:
        logger.exception("tracking: %s could not be logged; it is tried again at the end, and by a resume", key)
        return False
    return True
