"""End the processes of a local Ray as soon as the driver is gone, whether it ended, crashed or was killed.

Ray binds its first processes to the driver, and these end the others in time, but only once Ray is up; until then, and
for some of Ray's helpers, that takes half a minute. So a watcher starts before Ray does, and kills what is left.

This file is also the watcher's program. It imports nothing but the standard library, so that it starts at once.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

MARK = "ACA_RAY_DRIVER"  # environment variable of the processes that end with the driver
_FAREWELL = b"."  # what a driver that ends in good order writes; one that dies writes nothing
_PAUSE_SECONDS = 0.1
_STARTING_SECONDS = 1.0  # a process forked by a driver that then died may take so long to become visible
_LONGEST_SECONDS = 10.0  # a process in uninterruptible sleep cannot be killed

logger = logging.getLogger(__name__)


@contextmanager
def watched() -> Iterator[dict[str, str]]:
    """Yield environment variables; processes started with them are killed after the block, or when this process dies.

    Where there is no /proc (macOS), nothing is killed, and Ray's own means have to do.
    """
    mark = uuid.uuid4().hex
    watcher = subprocess.Popen(
        [sys.executable, "-I", "-S", __file__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )
    try:
        yield {MARK: mark}
    finally:
        try:
            watcher.communicate(_FAREWELL, timeout=_LONGEST_SECONDS + 5)
        except subprocess.TimeoutExpired:
            logger.warning("processes of Ray are still there; look for them with `ps x` and kill them")


def _watch(mark: str) -> None:
    """Wait for the driver's end, then kill all marked processes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    in_good_order = sys.stdin.buffer.read() == _FAREWELL
    quiet_seconds = 0.0 if in_good_order else _STARTING_SECONDS
    start = last = time.monotonic()
    while time.monotonic() - start < _LONGEST_SECONDS:
        if found := _marked(mark):
            last = time.monotonic()
        elif time.monotonic() - last >= quiet_seconds:
            return
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        time.sleep(_PAUSE_SECONDS)


def _marked(mark: str) -> list[int]:
    """Return the ids of living processes with a mark in their environment, none where there is no /proc."""
    found = []
    variable = f"{MARK}={mark}".encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as environment:
                    if variable in environment.read().split(b"\0"):
                        found.append(int(name))
            except OSError:  # it has ended, or is another user's
                continue
    return found


if __name__ == "__main__":
    _watch(sys.argv[1])
