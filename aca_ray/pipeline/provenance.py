"""What a result has to carry so that somebody else can judge it: versions and machine."""

from __future__ import annotations

import platform
from functools import cache
from importlib import metadata

import aca_ray

_PACKAGES = ("torch", "torchvision", "ray", "mlflow", "numpy", "pyarrow")


@cache
def environment() -> dict[str, str]:
    """Return the versions of this package, python and its dependencies, and the machine's kind."""
    versions = {"aca_ray": aca_ray.__version__, "python": platform.python_version(), "machine": platform.machine()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return versions
