"""The memory that packed searches need, measured on the first steps of real ones."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from aca_ray.errors import TrialError
from aca_ray.pipeline.datasets import search_data
from aca_ray.pipeline.orders import SearchOrder
from aca_ray.pipeline.searching import build_search
from aca_ray.search.together import Together
from aca_ray.training import peak_memory_bytes

NUM_STEPS = 2  # the second has the optimizers' states from its beginning


@dataclass(frozen=True)
class PackMemory:
    """What was measured of one search, and of two that are packed.

    Attributes:
        one_bytes: peak of a search alone.
        further_bytes: what the second added to it; at least 1.
    """

    one_bytes: int
    further_bytes: int


def measure_pack(
    orders: Sequence[SearchOrder], device: torch.device, peak_bytes: Callable[[torch.device], int] = peak_memory_bytes
) -> PackMemory | None:
    """Return the memory of the first two of orders that differ in nothing but their seed, without writing anything.

    The process must have computed nothing before, since peaks are those of its whole life: on a GPU what torch
    allocated, on a CPU what was resident, the interpreter among it. Stages of a method that begin after the first steps
    are not measured. On a GPU it has not been run yet.

    Args:
        orders: at least two.
        device: where to compute.
        peak_bytes: returns the most memory of a device that the process used so far.

    Returns:
        The memory; None where the two had no pass computed together, so that packing gains nothing.

    Raises:
        TrialError: the second search took no memory, so that nothing is known of a third.
        torch.OutOfMemoryError: two do not fit.
    """
    _first_steps(orders[0], device)
    gc.collect()  # else what is left of the first would count as the second's
    one_bytes = peak_bytes(device)
    together = Together(device, 2)
    together.run([partial(_first_steps, order, device) for order in orders[:2]])
    counts = together.counts()
    if counts["computed"] == counts["passes"]:
        return None
    further_bytes = peak_bytes(device) - one_bytes
    if further_bytes <= 0:
        raise TrialError(f"two packed searches took no more memory than one, {one_bytes:,} bytes")
    return PackMemory(one_bytes, further_bytes)


def _first_steps(order: SearchOrder, device: torch.device) -> None:
    search = build_search(order.trial, search_data(order.trial.data, order.base), device)
    for index in range(NUM_STEPS):
        if search.clock < search.num_epochs:  # a search can be one step long
            search.step(search.clock, index)
