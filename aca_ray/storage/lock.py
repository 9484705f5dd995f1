"""An exclusive lock for one process, which is free again after its holder died.

The operating system locks files; the lock file of a killed holder is deleted by the next holder. An object store has no
locks, so there the lock is a lease: an object that its holder rewrites every few seconds. `_lease` states its limits.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import signal
import stat
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from aca_ray.errors import MalformedFileError, StorageError
from aca_ray.storage.bounded import json_value
from aca_ray.storage.objects import ObjectPath, StoragePath

RENEW_SECONDS = 5.0
LOOKS_UNTIL_ABANDONED = 30  # successive checks that find the lease unchanged
LOOK_SECONDS = 1.0
_MOST_BYTES = 1000  # of a lease, which has about 80 bytes

logger = logging.getLogger(__name__)


@contextmanager
def exclusive(path: StoragePath, *, wait: bool) -> Iterator[bool]:
    """Hold a lock on a file or an object; yield whether it was acquired.

    Args:
        path: the lock file, created if missing and deleted at the end; its folder must exist.
        wait: whether to wait until another holder releases the lock, instead of yielding False.

    Raises:
        StorageError: the lock file can't be created, or is a link.
    """
    if isinstance(path, ObjectPath):
        with _lease(path, wait) as got:
            yield got
        return
    try:
        descriptor = _take_file(path, wait)
    except OSError as error:
        raise StorageError(
            f"{path}: the lock file cannot be used ({error.strerror or error}). Check that its folder is writable and "
            "that it is a regular file and not a link, or move it away"
        ) from error
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):  # a leftover lock file is harmless
            path.unlink()  # while the lock is held: a waiting process then finds the file gone and creates another
        os.close(descriptor)


def is_held(path: StoragePath) -> bool:
    """Return whether a process holds the lock now; for a lease, this compares the clocks of both machines."""
    if isinstance(path, ObjectPath):
        lease = _read(path)
        return lease is not None and time.time() - lease["renewed"] < LOOKS_UNTIL_ABANDONED * LOOK_SECONDS
    try:
        descriptor = os.open(path, os.O_RDONLY | _FLAGS)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise StorageError(f"{path}: the lock file cannot be read ({error.strerror})") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


_FLAGS = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # refuses links and does not block on pipes


def _take_file(path: Path, wait: bool) -> int | None:
    """Return the descriptor of the locked file, which is still at its path, or None if another process holds it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | _FLAGS, 0o666)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(descriptor), os.lstat(path)):
                    return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # the last holder has deleted the file: try again


@contextmanager
def _lease(path: ObjectPath, wait: bool) -> Iterator[bool]:
    """Hold a lease; yield whether it was acquired.

    A lease that is renewed between two checks is held. One that stays unchanged for half a minute of checks is taken
    over, so that no clocks are compared; a new driver waits this long after the death of another.

    pyarrow has no conditional writes. If two processes take a free lease at the same time, the later writer keeps it:
    each checks again a second after its own write. If that write is delayed for longer, or a holder is frozen or cut
    off for half a minute and returns, two processes may continue. The one that finds another owner at its next renewal,
    a few seconds later, interrupts its own process (SIGINT). Trials survive these seconds: their files are written
    atomically, two processes compute the same values for a trial, and one that stops saves no trial that the other has
    carried further.
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
    """Take the lease if it is free or abandoned; return whether it belongs to `owner` now."""
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
                logger.critical("%s: another process drives this sweep now; this process stops", path)
                os.kill(os.getpid(), signal.SIGINT)
                return
            _write(path, owner)
        except StorageError as error:  # trials meet it as well, and retry
            logger.warning("%s", error)


def _is_ours(path: ObjectPath, owner: str) -> bool:
    lease = _read(path)
    return lease is not None and lease["owner"] == owner


_UNKNOWN = {"owner": "unknown", "renewed": 0.0}


def _read(path: ObjectPath) -> dict[str, Any] | None:
    """Return a lease, or None if there is none; an invalid one has an unknown owner and was never renewed."""
    try:
        content = path.read_bytes(_MOST_BYTES)
    except FileNotFoundError:
        return None
    except MalformedFileError:  # too long
        return _UNKNOWN
    try:
        lease = json_value(content)
        return {"owner": str(lease["owner"]), "renewed": float(lease["renewed"])}
    except (KeyError, OverflowError, TypeError, ValueError):
        return _UNKNOWN


def _write(path: ObjectPath, owner: str) -> None:
    path.write(json.dumps({"owner": owner, "renewed": time.time()}).encode())
