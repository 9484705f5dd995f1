"""Waiting with a time limit, and with messages if it takes long."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

_FIRST_MESSAGE_SECONDS = 10.0
_LOOK_SECONDS = 0.5


def wait_for(
    done: Callable[[float], bool], what: str, say: Callable[[str], None], limit_seconds: float = math.inf
) -> bool:
    """Wait until `done` is true and return whether it became true; show a message after 10, 20, 40, ... seconds.

    Args:
        done: waits up to the given number of seconds, and returns whether the wait is over.
        what: what the driver waits for, as part of a sentence.
        say: shows the user a line.
        limit_seconds: longest time to wait; infinite only for the results of trials.
    """
    start = time.monotonic()
    message_at = _FIRST_MESSAGE_SECONDS
    limit = "" if math.isinf(limit_seconds) else f", for up to {limit_seconds:g} s"
    while True:
        waited = time.monotonic() - start
        if done(max(0.0, min(_LOOK_SECONDS, limit_seconds - waited))):
            return True
        waited = time.monotonic() - start
        if waited >= limit_seconds:
            return False
        if waited >= message_at:
            say(f"waiting for {what}{limit}; {waited:.0f} s so far")
            message_at *= 2
