"""The device of a process, and what it used of it."""

from __future__ import annotations

import resource
import sys

import torch


def select_device(gpus: float) -> torch.device:
    """Return the process's GPU if it was granted one, else the CPU; never a device that was not granted.

    Args:
        gpus: how many were granted. With a share of one, this process can allocate no more than that share of its
            memory, so that processes that share a GPU cannot take it from each other; CUDA's own context comes on top.
    """
    if not gpus:
        return torch.device("cpu")
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus)
    return torch.device("cuda")


def peak_memory_bytes(device: torch.device) -> int:
    """Return the most memory used so far: allocated on a GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
