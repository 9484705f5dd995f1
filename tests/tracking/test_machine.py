"""The driver's machine is measured once a minute, and its failures end the measurement only."""

from __future__ import annotations

import psutil
import pytest

from aca_ray.tracking.machine import INTERVAL_MS, DriverMachine


def test_a_point_a_minute() -> None:
    machine = DriverMachine()
    values = machine.due(1_000_000)
    assert values["system/disk_usage_percentage"] == pytest.approx(psutil.disk_usage("/").percent, abs=1)
    assert machine.due(1_000_000 + INTERVAL_MS - 1) == {}
    assert machine.due(1_000_000 + INTERVAL_MS).keys() == values.keys()


def test_a_machine_that_cannot_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError("/proc/stat")

    begun = DriverMachine()
    monkeypatch.setattr(psutil, "cpu_percent", refuse)
    for machine in (begun, DriverMachine()):
        assert machine.due(1_000_000) == {}
        assert machine.due(1_000_000 + INTERVAL_MS) == {}
