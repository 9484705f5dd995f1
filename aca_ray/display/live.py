"""The live view of a sweep: a table redrawn in place on a terminal, or plain lines in a file or pipe."""

from __future__ import annotations

import shutil
import time
from typing import TextIO

from aca_ray.display.lines import ranking_line
from aca_ray.display.output import Output
from aca_ray.display.progress import TrialLine, clock, most_interesting, progress_lines, sweep_time
from aca_ray.display.view import View
from aca_ray.records import AllocationSummary

REFRESH_SECONDS = 1.0
_UP, _CLEAR_DOWN = "\033[{}A", "\033[J"  # ECMA-48: cursor up, erase to the end of the screen


class LiveView(View):
    """Shows every trial of a sweep: state, epoch, loss, accuracy, skips in the genotype, time left.

    Args:
        stream: output stream.
        in_place: whether to redraw a table (on a terminal) or to print a line per finished epoch (to a file).
    """

    def __init__(self, stream: TextIO, *, in_place: bool) -> None:
        super().__init__()
        self._output, self._in_place = Output(stream), in_place
        self._drawn = 0
        self._last = 0.0

    def refresh(self) -> None:
        """Redraw, at most once a second."""
        if self._in_place and time.monotonic() - self._last >= REFRESH_SECONDS:
            self._draw()

    def close(self) -> None:
        """Show the final state."""
        if self._in_place and self._lines:
            self._draw()
        elif self._lines:
            self._write(self.progress.summary())

    def _opened(self) -> None:
        if not self._in_place:
            self._write(f"{len(self._lines)} trials")

    def _changed(self, line: TrialLine) -> None:
        if not self._in_place:
            self._write_with_time(self._labeled(line))

    def _ranked(self, line: TrialLine, summary: AllocationSummary) -> None:
        if not self._in_place:
            self._write_with_time(ranking_line(line.order, summary, self._differing))

    def _say(self, line: str) -> None:
        """Print a line that stays on the screen."""
        if self._in_place:
            up = _UP.format(self._drawn) if self._drawn else ""
            self._output.write(f"{up}\r{_CLEAR_DOWN}{line}\n")
            self._drawn = 0
            if self._lines:
                self._draw()
        else:
            self._write(line)

    def _draw(self) -> None:
        self._last = time.monotonic()
        columns, height = shutil.get_terminal_size()
        room = max(height - 4, 1)
        shown = most_interesting(list(self._lines.values()), room)
        hidden = len(self._lines) - len(shown)
        table = progress_lines(shown)
        more = [f"... and {hidden} more"] if hidden else []
        lines = [*table, *more, f"{self.progress.summary()}; {sweep_time(self.seconds, self.seconds_left)}"]
        text = [line[: columns - 1] for line in lines]  # a wrapped line would break the count of lines
        up = _UP.format(self._drawn) if self._drawn else ""
        self._output.write(f"{up}\r{_CLEAR_DOWN}" + "\n".join(text) + "\n")
        self._drawn = len(text)

    def _write(self, line: str) -> None:
        self._output.write(line + "\n")

    def _write_with_time(self, line: str) -> None:
        self._write(f"[{clock(self.seconds)}] {line}")
