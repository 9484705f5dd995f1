"""driver.log: the messages of a sweep's driver with their dates, in the sweep's folder."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from aca_ray.display.view import MESSAGES
from aca_ray.records import SweepFolder

logger = logging.getLogger(__name__)

MOST_BYTES = 1_000_000  # then the file becomes driver.log.1, which replaces the one before
_FORMAT = "%(asctime)s %(levelname)s %(message)s"
_DATE = "%Y-%m-%d %H:%M:%S"


class _Log(RotatingFileHandler):
    """A file of bounded size that follows no link and waits for no reader; what can't be written is left out."""

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        return TextIOWrapper(open(os.open(self.baseFilename, flags, 0o666), "ab"), encoding=self.encoding)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Do nothing: a full disk must not fill the terminal."""


@contextmanager
def sweep_log(folder: SweepFolder) -> Iterator[None]:
    """Append messages and warnings to the log of a sweep; an object store, which can't append, has none."""
    if not isinstance(folder.log, Path):
        yield
        return
    package = logging.getLogger("aca_ray")
    added: list[tuple[logging.Logger, logging.Handler]] = []
    try:
        log = _Log(folder.log, maxBytes=MOST_BYTES, backupCount=1, encoding="utf-8")
    except OSError as error:
        logger.warning("%s: cannot be written (%s); the sweep continues without it", folder.log, error.strerror)
    else:
        log.setFormatter(logging.Formatter(_FORMAT, _DATE))
        if not package.hasHandlers() and logging.lastResort is not None:
            added.append((package, logging.lastResort))  # which shows warnings only while there is no handler
        added += [(package, log), (MESSAGES, log)]
    for owner, handler in added:
        owner.addHandler(handler)
    try:
        yield
    finally:
        for owner, handler in added:
            owner.removeHandler(handler)
            if handler is not logging.lastResort:
                with suppress(OSError):  # a full disk
                    handler.close()
