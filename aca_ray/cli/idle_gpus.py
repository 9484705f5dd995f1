"""The line that says that a sweep leaves the GPUs of this machine idle."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aca_ray.config import RuntimeSpec


def idle_gpus(runtime: RuntimeSpec, address: str | None, *, local: bool) -> str | None:
    """Return the line if trials compute on CPUs although this machine has GPUs; None otherwise, or on a cluster.

    Args:
        runtime: runtime of the spec.
        address: value of --address.
        local: whether the sweep runs in this process.
    """
    elsewhere = not local and (address or runtime.address or os.environ.get("RAY_ADDRESS"))
    if runtime.gpus_per_trial or elsewhere:
        return None
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if not count:
        return None
    gpus = "1 GPU" if count == 1 else f"{count} GPUs"
    return f"runtime.gpus_per_trial is 0: trials compute on CPUs; this machine has {gpus}"
