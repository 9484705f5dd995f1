"""Retries of failed writes."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable
from typing import TypeVar

from aca_ray.errors import StorageError

PATIENCE_SECONDS = 120.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.25, 15.0

# Errors about names and permissions last until the user corrects them. Others may be temporary: a full disk or quota,
# a device or server that does not answer, a stale handle, a file system that is read-only after an error. Errors of
# object stores often have no number; most of these are network errors.
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


def patiently(access: Callable[[], T], limit_seconds: float = PATIENCE_SECONDS) -> T:
    """Return the result of a function that reads or writes the storage; failed calls are retried.

    Args:
        access: function that can be called again; it leaves no partial files when it fails.
        limit_seconds: how long to retry; the last call is made after this many seconds.

    Raises:
        StorageError: the last error of `access`, if it fails for longer; raised at once if retries would not help.
    """
    end = time.monotonic() + limit_seconds
    pause, warned = _FIRST_PAUSE_SECONDS, False
    while True:
        try:
            return access()
        except (StorageError, OSError) as error:
            left = end - time.monotonic()
            if left <= 0 or not _may_pass(error):
                raise
            if not warned:
                logger.warning("retrying for up to %.0f seconds: %s", limit_seconds, error)
                warned = True
        time.sleep(min(pause, left))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def _may_pass(error: StorageError | OSError) -> bool:
    cause = error if isinstance(error, OSError) else error.__cause__
    return isinstance(cause, OSError) and cause.errno not in _LASTING
