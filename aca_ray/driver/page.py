"""The report of a sweep while it runs: its progress and the time left, written between the comparisons."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime

from aca_ray.display import TrialLine, View
from aca_ray.display.progress import clock, kind_of
from aca_ray.driver.time_left import TimeLeft
from aca_ray.errors import StorageError
from aca_ray.records import SweepFolder
from aca_ray.report.running import STATES, SweepProgress, remove_progress, write_progress
from aca_ray.sweep.manifest import Sweep

logger = logging.getLogger(__name__)

_SHORTEST_SECONDS = 10.0
_SHARE = 0.01  # of the time, at most, for writing the page
_KINDS = {"search": "searches", "retraining": "retrainings", "look-up": "look-ups"}


class RunningPage:
    """Writes the progress of a sweep into its report, every 10 seconds or less often, and tells the view the time left.

    Args:
        sweep: the sweep.
        view: follows its trials.
        slots: returns the number of trials that can run at once.
    """

    def __init__(self, sweep: Sweep, view: View, slots: Callable[[], int]) -> None:
        self._sweep, self._view, self._slots = sweep, view, slots
        self._time_left = TimeLeft([])
        self._due = 0.0
        self._warned = False

    def open(self) -> None:
        """Write the page for the first time; the view is open."""
        self._time_left = TimeLeft([line.order for line in self._view.progress.lines])
        self.write()

    def poll(self) -> None:
        """Write the page if it is time."""
        if time.monotonic() >= self._due:
            self.write()

    def write(self) -> None:
        """Write the page now."""
        start = time.monotonic()
        try:
            write_progress(self._sweep.folder.report, self._sweep.spec.name, self._progress())
        except StorageError as error:
            if not self._warned:
                logger.warning("report: its progress could not be written (%s); the sweep continues", error)
            self._warned = True
        else:
            self._warned = False
        seconds = time.monotonic() - start
        self._due = time.monotonic() + max(_SHORTEST_SECONDS, seconds / _SHARE)

    def _progress(self) -> SweepProgress:
        progress = self._view.progress
        counts: Counter[tuple[str, str]] = Counter((line.order.trial.kind, line.state) for line in progress.lines)
        kinds = [kind for kind in _KINDS if any(found == kind for found, _ in counts)]
        left = self._view.seconds_left = self._time_left.seconds(progress.lines, self._slots())
        return SweepProgress(
            written=datetime.now(),
            num_finished=sum(line.state == "finished" for line in progress.lines),
            num_trials=len(progress.lines),
            elapsed=clock(self._view.seconds),
            left=None if left is None else clock(left),
            counts=tuple((_KINDS[kind], *(counts[kind, state] for state in STATES)) for kind in kinds),
            running=tuple(_running(line) for line in progress.lines if line.state == "running"),
        )


def close_page(folder: SweepFolder) -> None:
    """Remove the progress from the report of a sweep that no longer runs."""
    try:
        remove_progress(folder.report)
    except StorageError as error:
        logger.warning("report: its progress could not be removed (%s); `aca-ray compare` writes it again", error)


def _running(line: TrialLine) -> tuple[str, ...]:
    trial = line.order.trial
    left = "" if line.seconds_left is None else clock(line.seconds_left)
    epoch = f"{line.epoch}/{line.num_epochs}"
    return trial.short, kind_of(line.order), trial.method, trial.skip, str(trial.seed), epoch, left
