"""Delivery of work to MLflow: now, or later if MLflow can't be reached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection

import requests
import urllib3
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE, ErrorCode

logger = logging.getLogger(__name__)

Work = Callable[[], None]


class Delivery:
    """Runs pieces of work and keeps those that fail, so that no MLflow error reaches a search.

    Work must be idempotent: after a failure it is unknown how much of it was done. A key has one piece of work; a newer
    one replaces an older one that is still waiting, so it must cover the work of its predecessors.

    There are two kinds of failure. Unreachable (no connection, timeout, locked database): all work waits for
    `pause_seconds`, then the next call tries again. Refused (any other error): only this key waits, until its own next
    call or `flush`. Each failure is logged once.
    """

    def __init__(self, on_unreachable: Work, pause_seconds: float) -> None:
        """Start without work.

        Args:
            on_unreachable: called after every unreachable failure to discard cached knowledge of MLflow, since a
                request whose answer was lost may have been processed.
            pause_seconds: pause after an unreachable failure.
        """
        self._on_unreachable = on_unreachable
        self._pause_seconds = pause_seconds
        self._waiting: dict[str, Work] = {}
        self._refused: dict[str, Exception] = {}
        self._warned: set[tuple[str, str]] = set()
        self._reachable = True
        self._next_attempt = 0.0

    def submit(self, key: str, work: Work) -> None:
        """Do a piece of work after the waiting work, or keep it for later."""
        self._attempt(key, work)
        self._warn_of_refusals()

    def require(self, key: str, work: Work) -> None:
        """Do a piece of work like `submit`, but drop it and raise the error if it is refused."""
        self._attempt(key, work)
        refusal = self._refused.get(key)
        if refusal is not None:
            self.discard([key])
            raise refusal

    def discard(self, keys: Collection[str]) -> None:
        """Drop waiting work that is obsolete."""
        for key in keys:
            self._waiting.pop(key, None)
            self._refused.pop(key, None)

    def flush(self, patience_seconds: float = 0.0) -> bool:
        """Try all waiting work at once; return whether none is left.

        Args:
            patience_seconds: how long to retry, after each pause, while MLflow cannot be reached.
        """
        end = time.monotonic() + patience_seconds
        self._refused.clear()
        self._run(list(self._waiting))
        if self._away and patience_seconds:
            logger.warning("tracking: waiting up to %g s for MLflow to log the rest", patience_seconds)
        while self._away and (left := end - time.monotonic()) > 0:
            time.sleep(min(self._pause_seconds, left))
            self._run(list(self._waiting))
        self._warn_of_refusals()
        return not self._waiting

    @property
    def _away(self) -> bool:
        """Whether work waits because MLflow could not be reached."""
        return bool(self._waiting) and not self._reachable

    def _attempt(self, key: str, work: Work) -> None:
        self._waiting[key] = work
        self._refused.pop(key, None)
        if self._reachable or time.monotonic() >= self._next_attempt:
            self._run([waiting for waiting in self._waiting if waiting not in self._refused])

    def _run(self, keys: list[str]) -> None:
        for key in keys:
            try:
                self._waiting[key]()
            # All errors: plugins for artifact stores raise their own, and none is worth losing a search.
            except Exception as error:
                if is_unreachable(error):
                    self._pause(error)
                    return
                self._refused[key] = error
            else:
                del self._waiting[key]
                if not self._reachable:
                    self._reachable = True
                    logger.warning("tracking: MLflow can be reached again; catching up")

    def _pause(self, error: Exception) -> None:
        if self._reachable:
            logger.warning(
                "tracking: MLflow cannot be reached (%s); the sweep continues, and its records keep the results; "
                "retrying every %g s",
                error,
                self._pause_seconds,
            )
        self._reachable = False
        self._next_attempt = time.monotonic() + self._pause_seconds
        self._on_unreachable()

    def _warn_of_refusals(self) -> None:
        for key, error in self._refused.items():
            if (key, str(error)) not in self._warned:
                self._warned.add((key, str(error)))
                logger.warning(
                    "tracking: %s cannot be logged (%s); the sweep continues, and its records keep the results",
                    key,
                    error,
                    exc_info=None if isinstance(error, MlflowException) else error,
                )


def is_unreachable(error: BaseException | None) -> bool:
    """Return whether an error or one of its causes means that MLflow can't be reached at the moment."""
    while error is not None:
        # MLflow wraps an HTTP failure without `from`, so the reason may be in __context__ only.
        if isinstance(error, (requests.ConnectionError, requests.Timeout, requests.exceptions.RetryError)):
            return True
        if isinstance(error, (urllib3.exceptions.HTTPError, ConnectionError, TimeoutError)):
            return True
        if isinstance(error, requests.HTTPError) and error.response is not None and error.response.status_code >= 500:
            return True
        if isinstance(error, MlflowException) and error.error_code == ErrorCode.Name(TEMPORARILY_UNAVAILABLE):
            return True
        error = error.__cause__ or error.__context__
    return False
