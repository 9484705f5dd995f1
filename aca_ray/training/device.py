"""The device of a process, and what it used of it."""

from __future__ import annotations

import platform
import re
import resource
import sys
from functools import cache
from pathlib import Path

import torch


def select_device(gpus: float) -> torch.device:
    """Return the process's GPU if it was granted one, else the CPU; never a device that was not granted.

    On a GPU nothing is computed in TF32 from then on. Torch has convolutions do so unasked, with 10 of the 23 bits; a
    search that may be less exact says so in its spec.

    Args:
        gpus: how many were granted. With a share of one, this process can allocate no more than that share of its
            memory, so that processes that share a GPU cannot take it from each other; CUDA's own context comes on top.
    """
    if not gpus:
        return torch.device("cpu")
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus)
    return torch.device("cuda")


@cache
def device_name(device: torch.device) -> str:
    """Return what a GPU or this machine's processor is called."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or platform.machine()


def free_gpu_bytes() -> int:
    """Return what this process, which has allocated nothing so far, can allocate on its GPU, or on its share of one."""
    free, total = torch.cuda.mem_get_info()
    return min(free, int(total * torch.cuda.get_per_process_memory_fraction()))


def peak_memory_bytes(device: torch.device) -> int:
    """Return the most memory used so far: allocated on a GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
