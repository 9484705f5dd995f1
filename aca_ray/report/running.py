"""The progress of a sweep that runs, as a part of its page.

The page of a running sweep has a place for it between two marks, which at first only loads the page again. Whoever
writes the progress replaces what is there, so that it needs neither the comparison nor the libraries behind its plots.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from aca_ray.errors import MalformedFileError, StorageError
from aca_ray.report.template import render
from aca_ray.storage import StoragePath, read_text, write_bytes

STATES = ("finished", "running", "waiting", "failed", "unreadable")
RELOAD_SECONDS = 10
_BEGIN, _END = "<!--progress-->", "<!--end of progress-->"
_RELOAD = Markup(
    "<script>\n"
    "// Load the page again, but not where it is shown inside another one, as in MLflow.\n"
    f"if (window === window.top) setTimeout(() => location.reload(), {1000 * RELOAD_SECONDS});\n"
    "</script>\n"
)
PLACE = Markup(f"{_BEGIN}\n{_RELOAD}{_END}\n")
_PROGRESS = re.compile(f"{_BEGIN}.*?{_END}\n?", re.DOTALL)
_MAIN = '<main id="main" tabindex="-1">\n'
_MOST_SHOWN = 50  # running trials
_MOST_BYTES = 256 * 1024**2


@dataclass(frozen=True)
class SweepProgress:
    """What the page of a running sweep shows.

    Attributes:
        written: when.
        num_finished: finished trials.
        num_trials: all trials.
        elapsed: time since the driver started, as text.
        left: estimate of the time left, as text; None before it can be estimated.
        counts: per kind of trial its name and the number of trials in each of STATES.
        running: per running trial its id, kind, method, skip, seed, epoch, time left.
    """

    written: datetime
    num_finished: int
    num_trials: int
    elapsed: str
    left: str | None
    counts: tuple[tuple[str | int, ...], ...]
    running: tuple[tuple[str, ...], ...]


def write_progress(page: StoragePath, name: str, progress: SweepProgress) -> None:
    """Write the progress of a sweep into its page, which is created before the first comparison.

    Raises:
        StorageError: the page can't be read or written.
    """
    section = render(
        "progress.html.jinja",
        progress=progress,
        states=STATES if any(row[-1] for row in progress.counts) else STATES[:-1],
        shown=progress.running[:_MOST_SHOWN],
        seconds=RELOAD_SECONDS,
        reload=_RELOAD,
    )
    text = _read(page)
    if text is None or (_MAIN not in text and not _PROGRESS.search(text)):
        text = _first_page(name)
    elif not _PROGRESS.search(text):  # the report of an earlier driver
        text = text.replace(_MAIN, f"{_MAIN}{PLACE}", 1)
    write_bytes(page, _PROGRESS.sub(lambda _: f"{_BEGIN}\n{section}{_END}\n", text, count=1).encode())


def remove_progress(page: StoragePath) -> None:
    """Remove the progress from a page; do nothing if there is none."""
    text = _read(page)
    if text is not None and _PROGRESS.search(text):
        write_bytes(page, _PROGRESS.sub("", text).encode())


def _read(page: StoragePath) -> str | None:
    """Return the text of the page, or None if there is none or it is no page."""
    try:
        return read_text(page, _MOST_BYTES)
    except MalformedFileError:
        return None
    except StorageError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None
        raise


def _first_page(name: str) -> str:
    nothing = ("No network has been compared yet.",)
    return render("page.html.jinja", title=f"Comparison of {name}", summary=nothing, progress=PLACE)
