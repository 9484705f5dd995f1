"""Ends the processes of a local Ray as soon as the driver is gone, whether it ended, crashed or was killed.

Ray binds its first processes to the driver, and these end the others in time, but only after Ray's start; before that,
and for some of Ray's helpers, it takes half a minute. A watcher therefore starts before Ray and kills the remaining
processes.

This file is also the watcher's program. It imports only the standard library, so that it starts fast.
"""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_MARK = "ACA_RAY_DRIVER"  # environment variable of the processes that end with the driver
_FAREWELL = b"end"  # last line of a driver that ends in order; a driver that dies does not write it
_PAUSE_SECONDS = 0.1
_STARTING_SECONDS = 1.0  # until a process forked by a driver that then died is visible
_LONGEST_SECONDS = 10.0  # a process in uninterruptible sleep cannot be killed

logger = logging.getLogger(__name__)


class Watcher:
    """The driver's connection to its watcher.

    Attributes:
        environment: environment variables for processes that have to end with the driver.
    """

    def __init__(self) -> None:
        mark = uuid.uuid4().hex
        self.environment = {_MARK: mark}
        self._ending = threading.Lock()
        self._has_ended = False
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", __file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def add_session(self, leader: int) -> None:
        """Make all processes of a session end with the driver, even those that lose their environment.

        Args:
            leader: id of the session's first process, which was started with `environment`.
        """
        self._write(b"%d\n" % leader)

    def end(self) -> None:
        """Kill all watched processes now; a second call, from any thread, waits for the first one and does nothing."""
        with self._ending:
            if self._has_ended:
                return
            self._has_ended = True
            self._write(_FAREWELL)
            try:
                self._process.communicate(timeout=_LONGEST_SECONDS + 5)
            except subprocess.TimeoutExpired:
                logger.warning("processes of Ray are still running; find them with `ps x` and kill them")

    def _write(self, line: bytes) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError, ValueError):  # the watcher was killed, or has ended everything already
            self._process.stdin.write(line)
            self._process.stdin.flush()


@contextmanager
def watched() -> Iterator[Watcher]:
    """Yield a watcher; its processes are killed after the block, or as soon as this process dies.

    Without /proc (macOS) nothing is killed, and Ray has to end its processes itself.
    """
    watcher = Watcher()
    try:
        yield watcher
    finally:
        watcher.end()


def _watch(mark: str) -> None:
    """Wait for the end of the driver, then kill all watched processes."""
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
    """Return the ids of live processes with a mark in their environment, or in the sessions of these leaders.

    A process that sets its title overwrites its environment, as workers and agents of Ray do. A leader without the mark
    is a different process that reused the id.
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
            except OSError:  # it has ended, or belongs to another user
                continue
            if state not in "ZX":
                sessions[int(name)] = int(session)
                if variable in variables:
                    marked.add(int(name))
    ours = leaders - (sessions.keys() - marked)
    return [pid for pid, session in sessions.items() if pid in marked or session in ours]


if __name__ == "__main__":
    _watch(sys.argv[1])
