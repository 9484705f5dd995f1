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
from contextlib import contextmanager, suppress

_MARK = "ACA_RAY_DRIVER"  # environment variable of the processes that end with the driver
_FAREWELL = b"end"  # what a driver that ends in good order writes last; one that dies does not
_PAUSE_SECONDS = 0.1
_STARTING_SECONDS = 1.0  # a process forked by a driver that then died may take so long to become visible
_LONGEST_SECONDS = 10.0  # a process in uninterruptible sleep cannot be killed

logger = logging.getLogger(__name__)


class Watcher:
    """The driver's end of the line to its watcher.

    Attributes:
        environment: variables to start processes with that have to end with the driver.
    """

    def __init__(self) -> None:
        mark = uuid.uuid4().hex
        self.environment = {_MARK: mark}
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def add_session(self, leader: int) -> None:
        """Have all processes of a session end with the driver, also those that lose their environment.

        Args:
            leader: id of the session's first process, which was started with `environment`.
        """
        self._write(b"%d\n" % leader)

    def end(self) -> None:
        """Kill all these processes now."""
        self._write(_FAREWELL)
        try:
            self._process.communicate(timeout=_LONGEST_SECONDS + 5)
        except subprocess.TimeoutExpired:
            logger.warning("processes of Ray are still there; look for them with `ps x` and kill them")

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):  # the watcher was killed, or has ended everything already
            self._process.stdin.write(line)
            self._process.stdin.flush()


@contextmanager
def watched() -> Iterator[Watcher]:
    """Yield a watcher; its processes are killed after the block, or as soon as this process dies.

    Where there is no /proc (macOS), nothing is killed, and Ray's own means have to do.
    """
    watcher = Watcher()
    try:
        yield watcher
    finally:
        watcher.end()


def _watch(mark: str) -> None:
    """Wait for the driver's end, then kill all its processes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    *leaders, last = sys.stdin.buffer.read().split(b"\n")
    quiet_seconds = 0.0 if last == _FAREWELL else _STARTING_SECONDS
    start = seen = time.monotonic()
    while time.monotonic() - start < _LONGEST_SECONDS:
        if found := _processes(mark, {int(leader) for leader in leaders}):
            seen = time.monotonic()
        elif time.monotonic() - seen >= quiet_seconds:
            return
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)


def _processes(mark: str, leaders: set[int]) -> list[int]:
    """Return the ids of living processes with a mark in their environment or in sessions of these leaders.

    A process that sets its title writes over its environment; workers and agents of Ray do. A leader without the mark
    is another process that got the id of one that has ended.
    """
    sessions: dict[int, int] = {}
    marked = set()
    variable = f"{_MARK}={mark}".encode()
    for name in os.listdir("/proc") if os.path.isdir("/proc") else ():
        if name.isdigit():
            try:
                with open(f"/proc/{name}/environ", "rb") as environment, open(f"/proc/{name}/stat") as stat:
                    variables = environment.read().split(b"\0")
                    state, _, _, session = stat.read().rpartition(")")[2].split()[:4]
            except OSError:  # it has ended, or is another user's
                continue
            if state not in "ZX":
                sessions[int(name)] = int(session)
                if variable in variables:
                    marked.add(int(name))
    ours = leaders - (sessions.keys() - marked)
    return [pid for pid, session in sessions.items() if pid in marked or session in ours]


if __name__ == "__main__":
    _watch(sys.argv[1])
