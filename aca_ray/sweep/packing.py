"""The number of searches packed into one process if `runtime.pack` is auto."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch

from aca_ray.config import RuntimeSpec
from aca_ray.pipeline.fitting import searches_that_fit
from aca_ray.pipeline.orders import Order, SearchOrder
from aca_ray.pipeline.pack_memory import PackMemory, measure_pack
from aca_ray.sweep.cluster import ray
from aca_ray.sweep.resources import accelerator
from aca_ray.sweep.waiting import wait_for
from aca_ray.training import free_gpu_bytes, select_device

_GIB = 2**30
_MEASURE_SECONDS = 600.0  # the GPUs of the cluster may be busy for a while


def automatic_sizes(groups: Sequence[Sequence[Order]], runtime: RuntimeSpec, say: Callable[[str], None]) -> list[int]:
    """Return how many searches of each group are packed into one process, and show the reason.

    The number is 1 on a CPU. If trials reserve GPUs, a task with the same reservation measures the memory of every
    group. A group that can't be measured is not packed, and the sweep continues: packing changes only the speed.

    Args:
        groups: searches that differ only in their seed; groups of one are not measured.
        runtime: resources of a trial.
        say: shows the user a line.
    """
    pairs = [[order for order in group if isinstance(order, SearchOrder)][:2] for group in groups]
    num_kinds = sum(len(pair) == 2 for pair in pairs)
    if num_kinds and not runtime.gpus_per_trial:
        say("runtime.pack: auto is 1: on a CPU, one core per search is faster")
    if not (num_kinds and runtime.gpus_per_trial):
        return [1] * len(groups)
    say(f"runtime.pack: auto measures the memory of {num_kinds} kinds of searches, two steps each")
    # The process ends with its call, which frees its GPU memory.
    task = ray.remote(
        max_calls=1,
        max_retries=0,
        num_cpus=runtime.cpus_per_trial,
        num_gpus=runtime.gpus_per_trial,
        resources=accelerator(runtime),
    )(_measure)
    refs = [
        task.remote(pair, runtime.cpus_per_trial, runtime.gpus_per_trial) if len(pair) == 2 else None for pair in pairs
    ]
    return [1 if ref is None else _size(group, ref, say) for group, ref in zip(groups, refs, strict=True)]


def _measure(orders: Sequence[SearchOrder], threads: int, gpus: float) -> tuple[int, PackMemory | None]:
    """Return the free GPU memory for a trial of this process, in bytes, and the measured memory."""
    torch.set_num_threads(threads)
    device = select_device(gpus)
    return free_gpu_bytes(), measure_pack(orders, device)


def _size(group: Sequence[Order], ref: Any, say: Callable[[str], None]) -> int:
    try:
        if not wait_for(lambda s: bool(ray.wait([ref], timeout=s)[0]), "the measurement", say, _MEASURE_SECONDS):
            ray.cancel(ref, force=True)
            return _said(1, group, f"measuring the memory of two took longer than {_MEASURE_SECONDS:g} s", say)
        free_bytes, memory = ray.get(ref)
    except Exception as error:
        reason = (str(error).strip() or repr(error)).splitlines()[-1]
        return _said(1, group, f"measuring the memory of two failed ({reason})", say)
    if memory is None:
        return _said(1, group, "these searches cannot be packed", say)
    fit = searches_that_fit(free_bytes, memory.one_bytes, memory.further_bytes)
    reason = (
        f"{free_bytes / _GIB:.1f} GiB are free, one search takes {memory.one_bytes / _GIB:.2f}, every further one "
        f"{memory.further_bytes / _GIB:.2f}: {fit} of {len(group)} fit"
    )
    return _said(min(fit, len(group)), group, reason, say)


def _said(size: int, group: Sequence[Order], reason: str, say: Callable[[str], None]) -> int:
    trial = group[0].trial
    kind = f"{trial.method} {trial.skip} {trial.space} {trial.data['name']} e{trial.epochs}"
    say(f"runtime.pack: auto is {size} for {kind}: {reason}")
    return size
