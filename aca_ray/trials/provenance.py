"""Provenance of results: versions and machine."""

from __future__ import annotations

import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import metadata
from typing import TypeVar

import torch

import aca_ray
from aca_ray.plugins import active
from aca_ray.records import TrialRecord
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.space.plugged import PLUGIN
from aca_ray.training import device_name

_Record = TypeVar("_Record", bound=TrialRecord)
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


def stamp(record: _Record, device: torch.device) -> _Record:
    """Return the record of a trial with this process, the device, its threads and environment."""
    return replace(
        record,
        device=str(device),
        threads=torch.get_num_threads(),
        process=f"{socket.gethostname()}:{os.getpid()}",
        environment=with_plugins({**environment(), "device": device_name(device)}, record.trial.plugins),
    )


def with_plugins(environment: Mapping[str, str], plugins: Mapping[str, str]) -> dict[str, str]:
    """Return an environment with the origins of a trial's plug-ins, {name: sha256}, and of no others."""
    loaded = active()
    others = {name: text for name, text in environment.items() if not name.startswith(PLUGIN)}
    return others | {
        f"{PLUGIN}{name}": f"{loaded[name].origin if name in loaded else name}, sha256 {sha256[:SHORT_DIGITS]}"
        for name, sha256 in plugins.items()
    }
