"""Waiting ends at its limit and shows what it waits for."""

from __future__ import annotations

import pytest

from aca_ray.driver import waiting
from aca_ray.driver.waiting import wait_for


def test_a_finished_wait_returns_at_once() -> None:
    said: list[str] = []
    assert wait_for(lambda seconds: True, "it", said.append, 0.0)
    assert not said


def test_the_limit_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    seconds: list[float] = []

    def done(timeout: float) -> bool:
        seconds.append(timeout)
        now[0] += timeout
        return False

    now = [0.0]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: now[0])
    assert not wait_for(done, "the server", said.append, 45.0)
    assert sum(seconds) == pytest.approx(45)
    assert len(said) == 3  # after 10, 20 and 40 s
    assert all("the server" in line and "45 s" in line for line in said)
