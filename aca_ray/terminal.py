"""Standard output and standard error: any locale, readers that close early, and notebooks instead of terminals."""

from __future__ import annotations

import errno
import io
import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


def use_utf8() -> None:
    """Restart this process in Python's UTF-8 mode if the locale has another encoding; otherwise do nothing.

    Specs, and the paths in them, are UTF-8 in every locale. Output keeps the locale's encoding.
    """
    if sys.flags.utf8_mode or sys.getfilesystemencoding() == "utf-8" or os.environ.get("PYTHONUTF8"):
        return
    encoding = os.environ.get("PYTHONIOENCODING") or f"{sys.stdout.encoding}:backslashreplace"
    environment = {**os.environ, "PYTHONUTF8": "1", "PYTHONIOENCODING": encoding}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def show_every_character() -> None:
    """Print characters that the output encoding lacks as escapes instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def in_notebook() -> bool:
    """Return whether this process is the kernel of a notebook; nothing is imported to find out."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return getattr(shell, "kernel", None) is not None  # IPython in a terminal has a shell without a kernel


def is_of_closed_output(error: OSError) -> bool:
    """Return whether an error comes from writing to a pipe without a reader or to a closed terminal."""
    return isinstance(error, BrokenPipeError) or error.errno == errno.EIO


def silence_closed() -> bool:
    """Redirect output streams whose reader is gone to the null device; return whether there were any."""
    closed = [stream for stream in (sys.stdout, sys.stderr) if _reader_is_gone(stream)]
    for stream in closed:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    return bool(closed)


def say(line: str, *, error: bool = False) -> None:
    """Print a line; do nothing if the reader is gone."""
    try:
        print(line, file=sys.stderr if error else sys.stdout, flush=True)
    except OSError as failure:
        if not is_of_closed_output(failure):
            raise
        silence_closed()


def link(text: str, address: str) -> str:
    """Return a text that a terminal shows as a link (OSC 8); the plain text if standard output is no terminal."""
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        return text
    return f"\033]8;;{address}\033\\{text}\033]8;;\033\\"


def _reader_is_gone(stream: TextIO) -> bool:
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):  # no file descriptor (in tests), or closed
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))


@contextmanager
def told_when_slow(line: str, seconds: float = 10.0) -> Iterator[None]:
    """Print a line to standard error if the body takes longer than this many seconds."""
    timer = threading.Timer(seconds, say, [line], {"error": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
