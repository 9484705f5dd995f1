"""Work that fails is kept and done later."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

import pytest
import requests
from mlflow.exceptions import MlflowException

from aca_ray.tracking.delivery import Delivery, is_unreachable


class Target:
    """Records finished work, or raises `error` if it is set."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.error: Exception | None = None
        self.forgotten = 0

    def work(self, name: str) -> Callable[[], None]:
        """Return work that appends its name."""

        def run() -> None:
            if self.error is not None:
                raise self.error
            self.done.append(name)

        return run

    def forget(self) -> None:
        """Count how often an outage was reported."""
        self.forgotten += 1


def test_an_outage_delays_and_loses_nothing(caplog: pytest.LogCaptureFixture) -> None:
    target = Target()
    delivery = Delivery(target.forget, pause_seconds=0.0)
    delivery.submit("a", target.work("a1"))
    target.error = requests.ConnectionError("refused")
    with caplog.at_level(logging.WARNING):
        for name in ("a2", "b1", "a3"):
            delivery.submit(name[0], target.work(name))
        assert not delivery.flush()
        (record,) = caplog.records
        assert record.message.startswith("tracking: MLflow cannot be reached (refused)")
    assert target.forgotten == 4
    target.error = None
    delivery.submit("c", target.work("c1"))
    assert target.done == ["a1", "a3", "b1", "c1"]
    assert delivery.flush()


def test_only_flush_tries_during_the_pause() -> None:
    target = Target()
    delivery = Delivery(target.forget, pause_seconds=3600.0)
    target.error = requests.ConnectionError("refused")
    delivery.submit("a", target.work("a"))
    target.error = None
    delivery.submit("b", target.work("b"))
    assert target.done == []
    assert delivery.flush()
    assert target.done == ["a", "b"]


def test_a_patient_flush_waits_only_for_unreachable_stores() -> None:
    target = Target()
    delivery = Delivery(target.forget, pause_seconds=0.01)
    target.error = requests.ConnectionError("refused")
    delivery.submit("a", target.work("a"))
    assert not delivery.flush(patience_seconds=0.05)
    threading.Timer(0.2, lambda: setattr(target, "error", None)).start()
    assert delivery.flush(patience_seconds=60.0)
    assert target.done == ["a"]
    target.error = MlflowException("not allowed")
    delivery.submit("b", target.work("b"))
    start = time.monotonic()
    assert not delivery.flush(patience_seconds=60.0)
    assert time.monotonic() - start < 1.0


def test_a_refusal_delays_only_its_own_key(caplog: pytest.LogCaptureFixture) -> None:
    target = Target()
    delivery = Delivery(target.forget, pause_seconds=0.0)
    target.error = MlflowException("not allowed")
    with caplog.at_level(logging.WARNING):
        delivery.submit("a", target.work("a"))
        delivery.submit("a", target.work("a"))
    assert len(caplog.records) == 1
    target.error = None
    delivery.submit("b", target.work("b"))
    assert target.done == ["b"]
    assert delivery.flush()
    assert target.done == ["b", "a"]


def test_required_work_raises_when_refused_and_waits_when_unreachable() -> None:
    target = Target()
    delivery = Delivery(target.forget, pause_seconds=0.0)
    target.error = MlflowException("not allowed")
    with pytest.raises(MlflowException, match="not allowed"):
        delivery.require("a", target.work("a"))
    assert delivery.flush()
    target.error = requests.ConnectionError("refused")
    delivery.require("b", target.work("b"))
    assert not delivery.flush()
    target.error = None
    assert delivery.flush()
    assert target.done == ["b"]


def test_the_cause_of_an_error_decides() -> None:
    def fail_as_mlflow_does() -> None:
        try:
            raise requests.ConnectionError("refused")
        except requests.ConnectionError as error:
            raise MlflowException(f"API request failed with {error}")  # noqa: B904

    with pytest.raises(MlflowException) as wrapped:
        fail_as_mlflow_does()
    assert is_unreachable(wrapped.value)
    assert not is_unreachable(MlflowException("not allowed"))
    assert not is_unreachable(KeyError("rows"))
