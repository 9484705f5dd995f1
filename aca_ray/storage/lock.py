"""A lock that only one process can hold, and that is free again when its holder has died, however it died.

On a file it is the system's, and exact. An object store has none, so there the lock is a lease: an object that its
holder writes anew every few seconds. Its limits are those of `_lease`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from aca_ray.errors import StorageError
from aca_ray.storage.objects import ObjectPath, StoragePath

RENEW_SECONDS = 5.0
LOOKS_UNTIL_ABANDONED = 30  # successive looks at an unchanged lease
LOOK_SECONDS = 1.0

logger = logging.getLogger(__name__)


@contextmanager
def exclusive(path: StoragePath, *, wait: bool) -> Iterator[bool]:
    """Hold a lock on a file or an object; yield whether it was got.

    Args:
        path: the lock file, created if it is not there; its folder must exist.
        wait: whether to wait until another holder lets go, else to yield False as soon as there is found to be one.
    """
    if isinstance(path, ObjectPath):
        with _lease(path, wait) as got:
            yield got
        return
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        yield True


def is_held(path: StoragePath) -> bool:
    """Return whether a process holds the lock at this moment; of a lease, judged by the clocks of both machines."""
    if isinstance(path, ObjectPath):
        lease = _read(path)
        return lease is not None and time.time() - lease["renewed"] < LOOKS_UNTIL_ABANDONED * LOOK_SECONDS
    if not path.exists():
        return False
    with exclusive(path, wait=False) as free:
        return not free


@contextmanager
def _lease(path: ObjectPath, wait: bool) -> Iterator[bool]:
    """Hold a lease; yield whether it was got.

    A lease that is renewed while it is looked at is held. One that stays the same over half a minute of looks is taken
    over, so that no clocks are compared; that is how long a new driver waits after the death of another.

    pyarrow has no conditional writes. Of two processes that take a free lease at once, the later writer keeps it: each
    looks again a second after its own write. If that write is delayed for longer, or a holder is frozen or cut off for
    half a minute and comes back, two may go on; the one that finds the lease to be another's at its next renewal, a few
    seconds later, interrupts its own process (SIGINT). Trials survive such seconds: their files are whole, and what two
    processes write for one trial is the same.
    """
    owner = uuid.uuid4().hex
    got = _take(path, owner)
    while wait and not got:
        time.sleep(LOOK_SECONDS)
        got = _take(path, owner)
    if not got:
        yield False
        return
    over = threading.Event()
    renewing = threading.Thread(target=_renew, args=(path, owner, over), name="lease", daemon=True)
    renewing.start()
    try:
        yield True
    finally:
        over.set()
        renewing.join()
        if _is_ours(path, owner):
            path.unlink(missing_ok=True)


def _take(path: ObjectPath, owner: str) -> bool:
    """Return whether the lease was free or abandoned and is ours now."""
    first = lease = _read(path)
    looks = 0
    while lease is not None and looks < LOOKS_UNTIL_ABANDONED:
        time.sleep(LOOK_SECONDS)
        lease, looks = _read(path), looks + 1
        if lease is not None and lease != first:
            return False
    _write(path, owner)
    time.sleep(LOOK_SECONDS)
    return _is_ours(path, owner)


def _renew(path: ObjectPath, owner: str, over: threading.Event) -> None:
    while not over.wait(RENEW_SECONDS):
        try:
            if not _is_ours(path, owner):
                logger.critical("%s: another process drives this sweep now; this one stops", path)
                os.kill(os.getpid(), signal.SIGINT)
                return
            _write(path, owner)
        except StorageError as error:  # which trials meet as well, and wait for
            logger.warning("%s", error)


def _is_ours(path: ObjectPath, owner: str) -> bool:
    lease = _read(path)
    return lease is not None and lease["owner"] == owner


def _read(path: ObjectPath) -> dict[str, Any] | None:
    try:
        lease: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    return lease


def _write(path: ObjectPath, owner: str) -> None:
    path.write(json.dumps({"owner": owner, "renewed": time.time()}).encode())
