"""System metrics: means of an epoch, and nothing where the machine or a library does not offer them."""

from __future__ import annotations

import logging
from itertools import count

import psutil
import pytest
import torch

from aca_ray.trials.machine import MachineMeter


def test_a_metric_is_the_mean_of_the_samples_of_its_epoch() -> None:
    values = iter([1.0, 3.0, 10.0])
    meter = MachineMeter({"memory": lambda: next(values)}, {})
    meter.sample()
    meter.sample()
    assert meter.end_epoch() == {"system/memory": 2.0}
    meter.sample()
    assert meter.end_epoch() == {"system/memory": 10.0}
    assert meter.end_epoch() == {}


def test_a_clock_gives_the_busy_share_of_the_time_since_the_last_epoch() -> None:
    readings = iter([(5.0, 10.0), (6.0, 14.0), (9.0, 20.0), (9.0, 20.0)])
    meter = MachineMeter({}, {"cpu": lambda: next(readings)})
    assert meter.end_epoch() == {"system/cpu": 25.0}
    assert meter.end_epoch() == {"system/cpu": 50.0}
    assert meter.end_epoch() == {}  # no tick of the clock since


def test_a_source_that_fails_is_left_out_and_named_once(caplog: pytest.LogCaptureFixture) -> None:
    calls = count()

    def failing() -> float:
        next(calls)
        raise OSError("no permission")

    meter = MachineMeter({"power": failing, "memory": lambda: 1.0}, {"cpu": failing})  # type: ignore[dict-item]
    with caplog.at_level(logging.INFO, "aca_ray.trials.machine"):
        for _ in range(3):
            meter.sample()
            assert meter.end_epoch() == {"system/memory": 1.0}
    assert next(calls) == 2
    assert [record.getMessage() for record in caplog.records] == ["system/power is not measured: no permission"]


def test_this_machine_and_this_process() -> None:
    meter = MachineMeter.of(torch.device("cpu"))
    meter.sample()
    end = psutil.Process().cpu_times().user + 0.1
    while psutil.Process().cpu_times().user < end:
        pass
    metrics = meter.end_epoch()
    memory = psutil.virtual_memory()
    assert 0 < metrics["system/cpu_utilization_percentage"] <= 100
    assert 0 < metrics["system/process_cpu_utilization_percentage"] <= 100 * psutil.cpu_count()
    assert metrics["system/system_memory_usage_percentage"] == pytest.approx(
        100 * metrics["system/system_memory_usage_megabytes"] * 1e6 / memory.total, abs=0.1
    )


@pytest.mark.gpu
def test_the_gpu_of_the_trial() -> None:
    pytest.importorskip("pynvml")
    meter = MachineMeter.of(torch.device("cuda"))
    images = torch.zeros(1 << 26, device="cuda")
    meter.sample()
    metrics = meter.end_epoch()
    used = metrics["system/gpu_0_memory_usage_megabytes"]
    assert images.nbytes / 1e6 <= used <= torch.cuda.get_device_properties(0).total_memory / 1e6
    assert 0 <= metrics["system/gpu_0_utilization_percentage"] <= 100
    assert metrics["system/gpu_0_power_usage_watts"] > 0
