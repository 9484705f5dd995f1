"""How busy the machine is in every epoch of a trial: MLflow's system metrics, measured by the worker.

The metrics are part of an epoch's row, so they reach MLflow as every other metric does: through the record, by the
driver, once, and after a resume in the same run. MLflow's own monitor does not fit: it writes from a thread of the
worker, which may have no access to the store, counts steps of its own, and waits for the store when the trial ends.

| metric, named ``system/...`` | shows |
|---|---|
| ``cpu_utilization_percentage`` | processors of the whole machine, mean of the epoch; 100 is all of them |
| ``process_cpu_utilization_percentage`` | this process, mean of the epoch; 100 is one processor |
| ``system_memory_usage_megabytes``, ``..._percentage`` | memory of the whole machine, mean of the samples |
| ``gpu_<i>_utilization_percentage``, ``..._memory_usage_megabytes``, ``..._memory_usage_percentage``, \
``..._power_usage_watts`` | GPU of the trial, mean of the samples, by its number in this process; needs nvidia-ml-py |

Trials that share a machine or a GPU show the same load: that of all of them and of every other process. Only the
process metric is the trial's own; packed searches are one process. In a container, the machine is the host.

There is one point per epoch, and a sample after every slice of work (five seconds with Ray). A metric that this machine
does not offer is left out: the load of the machine needs psutil, which Ray brings along.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import torch

logger = logging.getLogger(__name__)

PREFIX = "system/"  # MLflow shows these metrics apart from the others

Value = TypeVar("Value")
Gauge = Callable[[], float]
Clock = Callable[[], tuple[float, float]]


class MachineMeter:
    """Measures the machine during the epochs of a trial; never raises.

    Args:
        gauges: functions that return a current value, by name.
        clocks: functions that return the busy time and the total time so far, by name.
    """

    def __init__(self, gauges: Mapping[str, Gauge], clocks: Mapping[str, Clock]) -> None:
        self._gauges, self._clocks = dict(gauges), dict(clocks)
        self._samples: dict[str, list[float]] = {}
        self._starts = _read(self._clocks)

    @staticmethod
    def of(device: torch.device) -> MachineMeter:
        """Return a meter of this machine and, if a trial computes on a GPU, of that GPU."""
        return MachineMeter(
            {**_MEMORY, **(_gpu_gauges(device) if device.type == "cuda" else {})},
            {"cpu_utilization_percentage": _machine_time, "process_cpu_utilization_percentage": _process_time},
        )

    def sample(self) -> None:
        """Read the gauges."""
        for name, value in _read(self._gauges).items():
            self._samples.setdefault(name, []).append(value)

    def end_epoch(self) -> dict[str, float]:
        """Return the metrics since the last call, and begin the next epoch."""
        metrics = {name: sum(values) / len(values) for name, values in self._samples.items()}
        ends = _read(self._clocks)
        for name, (busy, total) in ends.items():
            start_busy, start_total = self._starts[name]
            if total > start_total:  # a very short epoch may be shorter than a tick of the clock
                metrics[name] = 100.0 * (busy - start_busy) / (total - start_total)
        self._samples, self._starts = {}, ends
        return {f"{PREFIX}{name}": round(value, 1) for name, value in sorted(metrics.items())}


def _read(sources: dict[str, Callable[[], Value]]) -> dict[str, Value]:
    """Return the values of all sources; those that fail are removed."""
    values: dict[str, Value] = {}
    for name, source in list(sources.items()):
        try:
            values[name] = source()
        except Exception as error:  # no library, no permission, a GPU that does not measure it
            del sources[name]
            logger.info("%s%s is not measured: %s", PREFIX, name, error)
    return values


def _machine_time() -> tuple[float, float]:
    import psutil

    times = psutil.cpu_times()._asdict()
    # Linux counts the time of guests in that of users too.
    total = sum(times.values()) - times.get("guest", 0.0) - times.get("guest_nice", 0.0)
    return total - times["idle"] - times.get("iowait", 0.0), total


def _process_time() -> tuple[float, float]:
    return time.process_time(), time.perf_counter()


def _used_megabytes() -> float:
    import psutil

    return psutil.virtual_memory().used / 1e6


def _used_percentage() -> float:
    import psutil

    memory = psutil.virtual_memory()
    return 100.0 * memory.used / memory.total


_MEMORY: dict[str, Gauge] = {
    "system_memory_usage_megabytes": _used_megabytes,
    "system_memory_usage_percentage": _used_percentage,
}


def _gpu_gauges(device: torch.device) -> dict[str, Gauge]:
    """Return the gauges of a GPU; torch reads them by nvidia-ml-py, and without it they fail."""
    number = torch.cuda.current_device() if device.index is None else device.index
    total_bytes = torch.cuda.get_device_properties(number).total_memory
    return {
        f"gpu_{number}_utilization_percentage": lambda: torch.cuda.utilization(number),
        f"gpu_{number}_memory_usage_megabytes": lambda: torch.cuda.device_memory_used(number) / 1e6,
        f"gpu_{number}_memory_usage_percentage": lambda: 100.0 * torch.cuda.device_memory_used(number) / total_bytes,
        f"gpu_{number}_power_usage_watts": lambda: torch.cuda.power_draw(number) / 1e3,
    }
