"""Provenance of results: versions and machine."""

from __future__ import annotations

import os
import platform
import socket
from functools import cache
from importlib import metadata

import torch

import aca_ray
from aca_ray.records import TrialRecord
from aca_ray.training import device_name

_PACKAGES = ("torch", "torchvision", "ray", "mlflow", "numpy", "pyarrow")


@cache
def environment() -> dict[str, str]:
    """Return the versions of this package, Python and the dependencies, and the machine type."""
    versions = {"aca_ray": aca_ray.__version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions


def stamp(record: TrialRecord, device: torch.device) -> None:
    """Write process, device, threads and environment into the record of a trial."""
    record.device, record.threads = str(device), torch.get_num_threads()
    record.process = f"{socket.gethostname()}:{os.getpid()}"
    record.environment = {**environment(), "device": device_name(device)}
