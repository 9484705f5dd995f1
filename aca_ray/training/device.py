"""The device of a process, and its memory use."""

from __future__ import annotations

import gc
import platform
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch.backends import cuda, cudnn


def select_device(gpus: float) -> torch.device:
    """Return the process's GPU if it was granted one, else the CPU; never a device that was not granted.

    On a GPU, TF32 is disabled. Torch uses it for convolutions by default, with 10 of the 23 mantissa bits; a spec sets
    a lower precision explicitly.

    Args:
        gpus: number of GPUs granted. A share of one limits this process to that share of the GPU's memory, so that
            processes on one GPU cannot exhaust it for each other; CUDA's own context comes on top.
    """
    if not gpus:
        return torch.device("cpu")
    cudnn.allow_tf32 = cuda.matmul.allow_tf32 = False
    if gpus < 1:
        torch.cuda.set_per_process_memory_fraction(gpus)
    return torch.device("cuda")


@contextmanager
def tf32_allowed(allowed: bool) -> Iterator[None]:
    """Inside, allow TF32 on GPUs or not; see `select_device`."""
    before = cudnn.allow_tf32, cuda.matmul.allow_tf32
    cudnn.allow_tf32 = cuda.matmul.allow_tf32 = allowed
    try:
        yield
    finally:
        cudnn.allow_tf32, cuda.matmul.allow_tf32 = before


@cache
def device_name(device: torch.device) -> str:
    """Return the name of a GPU, or of this machine's processor and the instruction set that torch uses on it.

    Other instructions round otherwise, and clouds give processors of several generations the same name.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def free_gpu_bytes() -> int:
    """Return the bytes that this process can allocate on its GPU or its share of one, before its first allocation."""
    free, total = torch.cuda.mem_get_info()
    return min(free, int(total * torch.cuda.get_per_process_memory_fraction()))


def forget_gpu_memory() -> None:
    """Free the GPU memory that this process holds without using it, and begin a new measurement of its peak."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_memory_bytes(device: torch.device) -> int:
    """Return the peak memory so far: allocated on a GPU, resident in the process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024  # getrusage(2): kilobytes on Linux, bytes on macOS
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
