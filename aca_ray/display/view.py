"""What the user of a running sweep sees: the base of all views."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence

from aca_ray.display.lines import differing, labeled, ranking_line
from aca_ray.display.progress import Progress, TrialLine, read_line
from aca_ray.records import AllocationSummary
from aca_ray.storage import StoragePath
from aca_ray.sweep.orders import Order

MESSAGES = logging.getLogger("aca_ray.messages")
"""Copies of what views show except for epochs; silent unless a handler is added, as the log of a sweep does."""
MESSAGES.propagate = False
MESSAGES.setLevel(logging.INFO)
MESSAGES.addHandler(logging.NullHandler())


class View(ABC):
    """Follows the trials of a sweep; a subclass shows them. If its stream can't be written, the sweep continues.

    Attributes:
        seconds_left: estimate of the time until the last trial ends, set by the driver; None where nothing is known.
    """

    def __init__(self) -> None:
        self._lines: dict[StoragePath, TrialLine] = {}
        self._differing: frozenset[str] = frozenset()
        self._start = time.monotonic()
        self.seconds_left: float | None = None

    def open(self, orders: Sequence[Order]) -> None:
        """Start to show the trials of orders."""
        self._start = time.monotonic()
        self._lines = {order.folder: TrialLine(order) for order in orders}
        self._differing = differing(orders)
        MESSAGES.info("%d trials", len(orders))
        self._opened()

    def update(self, folder: StoragePath) -> None:
        """Read a trial's record again."""
        before = self._lines[folder]
        after = read_line(before.order)
        self._lines[folder] = after
        if after.state != before.state:
            MESSAGES.info("%s", self._labeled(after))
        if (after.state, after.epoch) != (before.state, before.epoch):
            self._changed(after)

    def ranked(self, folder: StoragePath, summary: AllocationSummary) -> None:
        """Show the result of a ranking of the search in a folder."""
        line = self._lines[folder]
        MESSAGES.info("%s", ranking_line(line.order, summary, self._differing))
        self._ranked(line, summary)

    def note(self, folder: StoragePath, text: str) -> None:
        """Show a message about a trial."""
        self.say(f"{self._lines[folder].order.trial.short}: {text}")

    def say(self, line: str) -> None:
        """Show a message."""
        MESSAGES.info("%s", line)
        self._say(line)

    @property
    def progress(self) -> Progress:
        """All trials as they were read last."""
        return Progress(tuple(self._lines.values()))

    @property
    def seconds(self) -> float:
        """Time since the trials are shown."""
        return time.monotonic() - self._start

    @abstractmethod
    def refresh(self) -> None:
        """Redraw if it is time; called several times a second."""

    @abstractmethod
    def close(self) -> None:
        """Show the final state."""

    @abstractmethod
    def _opened(self) -> None:
        """Show that the trials are followed."""

    @abstractmethod
    def _changed(self, line: TrialLine) -> None:
        """Show a trial that has another state or more epochs than before."""

    @abstractmethod
    def _ranked(self, line: TrialLine, summary: AllocationSummary) -> None:
        """Show a ranking of a search."""

    @abstractmethod
    def _say(self, line: str) -> None:
        """Show a message that stays."""

    def _labeled(self, line: TrialLine) -> str:
        return labeled(line, self._differing)


class QuietView(View):
    """Shows nothing."""

    def refresh(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def _opened(self) -> None: ...

    def _changed(self, line: TrialLine) -> None: ...

    def _ranked(self, line: TrialLine, summary: AllocationSummary) -> None: ...

    def _say(self, line: str) -> None: ...
