"""A lock on a file that the system releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[bool]:
    """Hold an advisory lock on a file; yield whether it was got.

    Args:
        path: the lock file, created if it is not there; its folder must exist.
        wait: whether to wait until another holder lets go, else to yield False at once.
    """
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock at this moment."""
    if not path.exists():
        return False
    with exclusive(path, wait=False) as free:
        return not free
