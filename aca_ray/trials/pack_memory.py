"""Memory of packed searches, measured on their first steps."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from aca_ray.config import SearchTrial
from aca_ray.errors import TrialError
from aca_ray.methods.registry import find_method
from aca_ray.nn.fused import fuse
from aca_ray.packing import Pack
from aca_ray.search.search import Accelerator
from aca_ray.training import peak_memory_bytes
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import build_search, search_space

NUM_STEPS = 2  # the second step starts with the optimizers' states allocated


@dataclass(frozen=True)
class PackMemory:
    """Measured memory of one search, and of two packed ones.

    Attributes:
        one_bytes: peak of a single search.
        further_bytes: memory that the second search added, at least 1.
    """

    one_bytes: int
    further_bytes: int


def has_stages(trial: SearchTrial) -> bool:
    """Return whether the supernet of a search changes, so that its first steps do not tell the memory of later ones."""
    space = search_space(trial)
    return len(find_method(trial.method).on(space).stages(space)) > 1


def measure_pack(
    trials: Sequence[SearchTrial],
    data: DataRef,
    device: torch.device,
    peak_bytes: Callable[[torch.device], int] = peak_memory_bytes,
) -> PackMemory | None:
    """Return the memory of the first two of several searches that differ only in their seed; no file is written.

    The process must not have computed anything before, since peaks cover its whole life: memory allocated by torch on
    a GPU (see `forget_gpu_memory`), resident memory including the interpreter on a CPU. Stages of a method that begin
    after the first steps are not measured. Not yet tried on a GPU.

    Args:
        trials: at least two searches.
        data: their data.
        device: device to compute on.
        peak_bytes: returns the peak memory that the process has used on a device.

    Returns:
        The memory; None if no passes of the two were computed as one, so that packing gains nothing.

    Raises:
        TrialError: the second search took no memory, so that the memory of a third is unknown.
        torch.OutOfMemoryError: two do not fit.
    """
    _first_steps(trials[0], data, device)
    gc.collect()  # else garbage of the first search would count as memory of the second
    one_bytes = peak_bytes(device)
    pack = Pack(device, 2)
    pack.run(
        [
            partial(_first_steps, trial, data, device, member.accelerate)
            for trial, member in zip(trials[:2], pack.members, strict=True)
        ]
    )
    counts = pack.counts()
    if counts["computed"] == counts["passes"]:
        return None
    further_bytes = peak_bytes(device) - one_bytes
    if further_bytes <= 0:
        raise TrialError(f"two packed searches took no more memory than one, {one_bytes:,} bytes")
    return PackMemory(one_bytes, further_bytes)


def _first_steps(trial: SearchTrial, data: DataRef, device: torch.device, accelerate: Accelerator = fuse) -> None:
    search = build_search(trial, data.for_search(), device, accelerate)
    for index in range(NUM_STEPS):
        if search.clock < search.num_epochs:  # a search can be one step long
            search.step(search.clock, index)
