"""The live view of a sweep in a notebook: a table below the cell, updated in place."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from html import escape

from aca_ray.display.progress import COLUMNS, RIGHT, Progress, TrialLine, most_interesting, sweep_time
from aca_ray.display.view import View
from aca_ray.records import AllocationSummary
from aca_ray.terminal import in_notebook

MOST_ROWS = 40
_REFRESH_SECONDS = 1.0
_COLORS = {"running": "#1f77b4", "finished": "#2e7d32", "failed": "#c62828", "unreadable": "#c62828"}


class NotebookView(View):
    """Shows every trial of a sweep as a row of an HTML table; messages are printed below the table.

    If the output fails, the table is not updated any more and the sweep continues.

    Args:
        show: shows an HTML text, instead of the one before.
    """

    def __init__(self, show: Callable[[str], None]) -> None:
        super().__init__()
        self._show = show
        self._lost = False
        self._last = 0.0

    def refresh(self) -> None:
        """Redraw, at most once a second."""
        if time.monotonic() - self._last >= _REFRESH_SECONDS:
            self._draw()

    def close(self) -> None:
        """Show the final state."""
        if self.progress.lines:
            self._draw()

    def _opened(self) -> None:
        self._draw()

    def _changed(self, line: TrialLine) -> None: ...

    def _ranked(self, line: TrialLine, summary: AllocationSummary) -> None: ...

    def _say(self, line: str) -> None:
        print(line, flush=True)

    def _draw(self) -> None:
        self._last = time.monotonic()
        if self._lost:
            return
        try:
            self._show(table_html(self.progress, self.seconds, self.seconds_left))
        except Exception:  # of the kernel's connection: the sweep matters more
            self._lost = True


def table_html(progress: Progress, seconds: float, left: float | None = None) -> str:
    """Return the trials of a sweep as an HTML table; of very many, those that matter most.

    Args:
        progress: the trials.
        seconds: time since the sweep was started.
        left: estimate of the time that it still runs, or None.
    """
    shown = most_interesting(progress.lines, MOST_ROWS)
    hidden = len(progress.lines) - len(shown)
    sides = ["right" if name in RIGHT else "left" for name in COLUMNS]
    head = "".join(f'<th style="text-align:{side}">{name}</th>' for name, side in zip(COLUMNS, sides, strict=True))
    rows = "".join(f"<tr>{_cells(line, sides)}</tr>" for line in shown)
    more = f"... and {hidden} more; " if hidden else ""
    return (
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        f"<p>{more}{escape(progress.summary())}; {sweep_time(seconds, left)}</p>"
    )


def _cells(line: TrialLine, sides: Sequence[str]) -> str:
    color = _COLORS.get(line.state)
    return "".join(
        f'<td style="text-align:{side}{f";color:{color}" if color and name == "state" else ""}">{escape(text)}</td>'
        for name, side, text in zip(COLUMNS, sides, line.cells(), strict=True)
    )


def notebook_output() -> Callable[[str], None] | None:
    """Return a function that shows an HTML text below the running cell, in place of the one before.

    Returns None outside of a notebook's kernel, such as in a terminal, in a script, or in IPython's own terminal.
    """
    if not in_notebook():
        return None
    from IPython.display import HTML, display  # no dependency: a kernel brings it along

    handle = display(HTML(""), display_id=True)
    return lambda text: handle.update(HTML(text))
