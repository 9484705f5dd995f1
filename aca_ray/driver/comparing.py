"""Comparisons of the results so far, beside the trials of a sweep."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from aca_ray.driver.pool import Pool, Task
from aca_ray.driver.waiting import wait_for
from aca_ray.sweep.manifest import Sweep

logger = logging.getLogger(__name__)

_SHARE = 0.02  # of the time, at most, for comparisons
_SHORTEST_SECONDS = 120.0
_LONGEST_SECONDS = 600.0
_CANCEL_SECONDS = 30.0  # to wait for the end of a canceled task


def _compare(sweep: Sweep) -> float:
    """Write a sweep's comparison and return the seconds that it took."""
    from aca_ray.sweep.comparing import compare_sweeps

    start = time.perf_counter()
    compare_sweeps([sweep], sweep.folder.comparison, running=True)
    return time.perf_counter() - start


class Comparisons:
    """Updates the comparison of a sweep every two minutes, or less often so that it takes 2 % of the time at most.

    Args:
        sweep: sweep to compare.
        pool: runs the comparisons.
        compared: called when the comparison's files were written.
    """

    def __init__(self, sweep: Sweep, pool: Pool, compared: Callable[[], None]) -> None:
        self._sweep, self._pool, self._compared = sweep, pool, compared
        self._running: Task | None = None
        self._due = time.monotonic() + _SHORTEST_SECONDS

    @property
    def running(self) -> bool:
        """Whether a comparison is being written."""
        return self._running is not None

    def poll(self) -> None:
        """Start a comparison if one is due; report a finished one."""
        if self._running is not None and self._running.done():
            self._end(self._running)
        if self._running is None and time.monotonic() >= self._due:
            self._running = self._pool.start(_compare, self._sweep)

    def finish(self, say: Callable[[str], None]) -> None:
        """Wait for a running comparison, so that it cannot overwrite the final one; cancel one that takes too long.

        Args:
            say: shows the user a line.
        """
        running = self._running
        if running is None:
            return
        what = "the comparison of the results so far"
        if not wait_for(running.done, what, say, _LONGEST_SECONDS):
            running.cancel()
        self._end(running)

    def _end(self, running: Task) -> None:
        seconds = 0.0
        try:
            seconds = running.result(_CANCEL_SECONDS)
            logger.info("comparison: the results so far were compared in %.1f s", seconds)
            self._compared()
        except Exception as error:  # the final comparison reports the problem
            logger.warning("comparison: the results so far could not be compared (%s); the sweep continues", error)
        self._running = None
        self._due = time.monotonic() + max(_SHORTEST_SECONDS, seconds / _SHARE)
