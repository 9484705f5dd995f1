"""Writing to a storage that fails for a while."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from aca_ray.errors import StorageError

PATIENCE_SECONDS = 120.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 15.0

# What is wrong with a name or a right stays wrong until a person corrects it. All else may pass: a full disk or quota,
# a device or server that does not answer, a handle that went stale, a file system that is read-only after an error.
# Errors of object stores often have no number; theirs are mostly the network's.
_LASTING = {
    errno.EACCES,
    errno.EEXIST,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
}

T = TypeVar("T")
logger = logging.getLogger(__name__)


def patiently(write: Callable[[], T], limit_seconds: float = PATIENCE_SECONDS) -> T:
    """Return what a function returns that writes to the storage, called again while the storage fails.

    Args:
        write: leaves nothing half written when it fails, and can be called again.
        limit_seconds: for how long; the last call is after so many seconds.

    Raises:
        StorageError: as `write` raised it last, when it fails for longer, or at once when waiting would not help.
    """
    end = time.monotonic() + limit_seconds
    pause, warned = _FIRST_PAUSE_SECONDS, False
    while True:
        try:
            return write()
        except (StorageError, OSError) as error:
            left = end - time.monotonic()
            if left <= 0 or not _may_pass(error):
                raise
            if not warned:
                logger.warning("waiting up to %.0f seconds for the storage: %s", limit_seconds, error)
                warned = True
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _may_pass(error: StorageError | OSError) -> bool:
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno not in _LASTING
