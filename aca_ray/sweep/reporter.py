"""Tracking on a thread of its own, so that a slow tracking server never holds up a search."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from aca_ray.pipeline.drawing import draw_search
from aca_ray.pipeline.manifest import Sweep, storage_folder
from aca_ray.storage import TrialRecord

logger = logging.getLogger(__name__)


class Reporter:
    """Brings the tracking store up to date with the records on the disk.

    What a job logs is read from the disk when the job runs, so that a job lost with the process is made good by the
    next one for the same trial.

    Args:
        sweep: whose runs these are.
        main_rule: name of the main allocation rule.
    """

    def __init__(self, sweep: Sweep, main_rule: str) -> None:
        self._sweep, self._main_rule = sweep, main_rule
        self._jobs: queue.SimpleQueue[tuple[object, Callable[[], None]] | None] = queue.SimpleQueue()
        self._pending: set[object] = set()
        self._lock = threading.Lock()
        self.error: BaseException | None = None
        self.complete = False
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def start(self) -> None:
        """Open the store and begin to work, in the background."""
        self._thread.start()

    def trial(self, folder: Path) -> None:
        """Log what is new in a trial's record."""
        self._put(("trial", folder), lambda: self._log_trial(folder))

    def allocation(self, search_folder: Path, folder: Path, epoch: int) -> None:
        """Log the plans of a milestone."""
        self._put(("allocation", folder), lambda: self._log_allocation(search_folder, folder, epoch))

    def finish(self, comparison: Path, metrics: Mapping[str, float]) -> None:
        """Log the comparison, and that the sweep is done."""
        self._put("finish", lambda: self._tracker.finish(comparison, metrics))

    def interrupt(self) -> None:
        """Log that the sweep was stopped before its end."""
        self._put("interrupt", lambda: self._tracker.interrupt())

    def stop(self) -> bool:
        """Wait until all is logged and return whether it was; False means that a later resume has to log the rest."""
        self._jobs.put(None)
        if self._thread.ident is not None:
            self._thread.join()
        return self.complete

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
                open_store(spec.runtime.tracking, storage_folder(spec)), spec.name, self._sweep.fingerprint
            )
            self._tracker.open(self._sweep.text, spec.experiment.model_dump(mode="json"), spec.description)
            while (item := self._jobs.get()) is not None:
                key, job = item
                with self._lock:
                    self._pending.discard(key)
                try:
                    job()
                except Exception:
                    logger.exception("tracking: %s could not be logged; a resume logs it again", key)
            self.complete = self._tracker.flush()
        except BaseException as error:
            self.error = error
            logger.warning("tracking: off (%s); the sweep goes on, and a resume logs what is missing", error)

    def _log_trial(self, folder: Path) -> None:
        record = TrialRecord.read(folder)
        if record is None:
            return
        draw_search(record, folder)
        self._tracker.sync(record.to_json(), folder)

    def _log_allocation(self, search_folder: Path, folder: Path, epoch: int) -> None:
        record = TrialRecord.read(search_folder)
        if record is not None:
            self._tracker.sync_allocation(record.to_json(), folder, epoch, self._main_rule)
