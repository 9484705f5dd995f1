"""Comparisons of the results so far, as Ray tasks while a sweep runs."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from aca_ray.pipeline.manifest import Sweep
from aca_ray.sweep.cluster import ray
from aca_ray.sweep.waiting import wait_for

logger = logging.getLogger(__name__)

_SHARE = 0.02  # of the time, at most, for comparisons
_SHORTEST_SECONDS = 120.0
_LONGEST_SECONDS = 600.0
_CANCEL_SECONDS = 30.0  # to wait for the end of a canceled task


def _compare(sweep: Sweep) -> float:
    """Write a sweep's comparison and return the seconds that it took."""
    from aca_ray.pipeline.comparing import compare_sweeps

    start = time.perf_counter()
    compare_sweeps([sweep], sweep.folder.comparison)
    return time.perf_counter() - start


class Comparisons:
    """Updates the comparison of a sweep every two minutes, or less often so that it takes 2 % of the time at most.

    Args:
        sweep: sweep to compare.
        compared: called when the comparison's files were written.
    """

    def __init__(self, sweep: Sweep, compared: Callable[[], None]) -> None:
        self._task = ray.remote(num_cpus=0)(_compare)
        self._sweep, self._compared = sweep, compared
        self._running: Any = None
        self._due = time.monotonic() + _SHORTEST_SECONDS

    def poll(self) -> None:
        """Start a comparison if one is due; report a finished one."""
        if self._running is not None and ray.wait([self._running], timeout=0)[0]:
            self._end()
        if self._running is None and time.monotonic() >= self._due:
            self._running = self._task.remote(self._sweep)

    def finish(self, say: Callable[[str], None]) -> None:
        """Wait for a running comparison, so that it cannot overwrite the final one; cancel one that takes too long.

        Args:
            say: shows the user a line.
        """
        if self._running is None:
            return
        running = self._running
        what = "the comparison of the results so far"
        if not wait_for(lambda s: bool(ray.wait([running], timeout=s)[0]), what, say, _LONGEST_SECONDS):
            ray.cancel(running, force=True)
        self._end()

    def _end(self) -> None:
        seconds = 0.0
        try:
            seconds = ray.get(self._running, timeout=_CANCEL_SECONDS)
            self._compared()
        except Exception as error:  # the final comparison reports the problem
            logger.warning("comparison: the results so far could not be compared (%s); the sweep continues", error)
        self._running = None
        self._due = time.monotonic() + max(_SHORTEST_SECONDS, seconds / _SHARE)
