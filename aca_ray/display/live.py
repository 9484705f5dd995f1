"""The live view of a sweep: a table redrawn in place on a terminal, or plain lines in a file or pipe."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from typing import TextIO

from aca_ray.display.progress import Progress, TrialLine, clock, most_interesting, progress_lines, read_line
from aca_ray.storage import StoragePath
from aca_ray.sweep.orders import Order

REFRESH_SECONDS = 1.0
_UP, _CLEAR_DOWN = "\033[{}A", "\033[J"  # ECMA-48: cursor up, erase to the end of the screen


class LiveView:
    """Shows every trial of a sweep: state, epoch, loss, accuracy, skips in the genotype, time left.

    If the stream is closed or cannot be written, the output stops and the sweep continues.

    Args:
        stream: output stream.
        in_place: whether to redraw a table (on a terminal) or to print a line per finished epoch (to a file).
    """

    def __init__(self, stream: TextIO, *, in_place: bool) -> None:
        self._stream, self._in_place = stream, in_place
        self._lines: dict[StoragePath, TrialLine] = {}
        self._drawn = 0
        self._lost = False
        self._last = 0.0
        self._start = time.monotonic()

    def open(self, orders: Sequence[Order]) -> None:
        """Start to show the trials of orders."""
        self._start = time.monotonic()
        self._lines = {order.folder: TrialLine(order) for order in orders}
        if not self._in_place:
            self._write(f"{len(orders)} trials")

    def update(self, folder: StoragePath) -> None:
        """Read a trial's record again."""
        before = self._lines[folder]
        after = read_line(before.order)
        self._lines[folder] = after
        if not self._in_place and (after.state, after.epoch) != (before.state, before.epoch):
            self._write(f"[{clock(time.monotonic() - self._start)}] " + "  ".join(filter(None, after.cells())))

    def refresh(self) -> None:
        """Redraw, at most once a second."""
        if self._in_place and time.monotonic() - self._last >= REFRESH_SECONDS:
            self._draw()

    def note(self, folder: StoragePath, text: str) -> None:
        """Print a line about a trial; it stays on the screen."""
        self.say(f"{self._lines[folder].order.trial.short}: {text}")

    def say(self, line: str) -> None:
        """Print a line that stays on the screen."""
        if self._in_place:
            up = _UP.format(self._drawn) if self._drawn else ""
            self._show(f"{up}\r{_CLEAR_DOWN}{line}\n")
            self._drawn = 0
            self._draw()
        else:
            self._write(line)

    def close(self) -> None:
        """Show the final state."""
        if self._in_place and self._lines:
            self._draw()
        elif self._lines:
            self._write(self._progress().summary())

    def _progress(self) -> Progress:
        return Progress(tuple(self._lines.values()))

    def _draw(self) -> None:
        self._last = time.monotonic()
        columns, height = shutil.get_terminal_size()
        room = max(height - 4, 1)
        shown = most_interesting(list(self._lines.values()), room)
        hidden = len(self._lines) - len(shown)
        table = progress_lines(shown)
        more = [f"... and {hidden} more"] if hidden else []
        elapsed = clock(time.monotonic() - self._start)
        lines = [*table, *more, f"{self._progress().summary()}; {elapsed} so far"]
        text = [line[: columns - 1] for line in lines]  # a wrapped line would break the count of lines
        up = _UP.format(self._drawn) if self._drawn else ""
        self._show(f"{up}\r{_CLEAR_DOWN}" + "\n".join(text) + "\n")
        self._drawn = len(text)

    def _write(self, line: str) -> None:
        self._show(line + "\n")

    def _show(self, text: str) -> None:
        """Write to the stream until that fails once: a closed terminal or pipe must not end a sweep."""
        if not self._lost:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                self._lost = True
