"""Orderly end of a driver on SIGINT (Ctrl-C), SIGTERM and SIGHUP (a closed terminal)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_ECHO_SECONDS = 1.0  # a terminal, a shell and a wrapper may each deliver the same request


class Interrupt:
    """A request to stop, made by a signal.

    Attributes:
        requested: whether a signal has arrived.
    """

    def __init__(self) -> None:
        self.requested = False
        self._requested_at = 0.0
        self._raises = True
        self._terminals: list[int] = []

    @contextmanager
    def handling_signals(self) -> Iterator[Interrupt]:
        """Raise KeyboardInterrupt on the first signal; a later SIGINT or SIGTERM ends the process at once.

        A driver started to ignore SIGHUP (nohup) still ignores it. In threads other than the main one, where Python
        handles no signals, nothing changes.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        self._terminals = [number for number in (1, 2) if os.isatty(number)]
        before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number, handler in before.items():
            if number != signal.SIGHUP or handler != signal.SIG_IGN:
                signal.signal(number, self._stop)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    @contextmanager
    def only_noted(self) -> Iterator[None]:
        """Raise nothing on a signal while the block runs; the block has to check `requested` itself."""
        self._raises = False
        try:
            yield
        finally:
            self._raises = True

    def check(self) -> None:
        """Raise KeyboardInterrupt if a signal has arrived, since Python ignores exceptions in finalizers."""
        if self.requested:
            raise KeyboardInterrupt

    def _stop(self, number: int, frame: object) -> None:
        if number == signal.SIGHUP:
            self._leave_terminal()
        if not self.requested:
            self.requested, self._requested_at = True, time.monotonic()
            if self._raises:
                raise KeyboardInterrupt
        elif number != signal.SIGHUP and time.monotonic() - self._requested_at > _ECHO_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def _leave_terminal(self) -> None:
        """Discard all further output to the terminal, which is closed: writing to it would fail."""
        with open(os.devnull, "wb") as nowhere:
            for number in self._terminals:
                os.dup2(nowhere.fileno(), number)
