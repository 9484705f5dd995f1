"""The load of the driver's machine, for the parent run of a sweep; workers measure their machines themselves."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)

INTERVAL_MS = 60_000


class DriverMachine:
    """Measures the driver's machine with MLflow's monitors, at most once a minute; never raises.

    Processors and network are measured between two points, memory and disk at a point.
    """

    def __init__(self) -> None:
        self._next_ms = 0
        try:
            from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
            from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
            from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

            self._monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
            self._values()  # psutil measures processors since its last call
        except Exception as error:  # no psutil, no permission
            logger.info("the driver's machine is not measured: %s", error)
            self._monitors = []

    def due(self, time_ms: int) -> dict[str, float]:
        """Return MLflow's system metrics if a minute has passed since the last time, else nothing.

        Args:
            time_ms: now, in ms since 1970.
        """
        if time_ms < self._next_ms:
            return {}
        self._next_ms = time_ms + INTERVAL_MS
        try:
            return self._values()
        except Exception as error:
            logger.info("the driver's machine is not measured any more: %s", error)
            self._monitors = []
            return {}

    def _values(self) -> dict[str, float]:
        values: dict[str, float] = {}
        for monitor in self._monitors:
            monitor.collect_metrics()
            values |= {f"system/{name}": float(value) for name, value in monitor.aggregate_metrics().items()}
            monitor.clear_metrics()
        return values
