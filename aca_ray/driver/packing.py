"""The number of searches packed into one process if `runtime.pack` is auto."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from aca_ray.config import RuntimeSpec
from aca_ray.driver.fitting import searches_that_fit
from aca_ray.driver.pool import Pool, Task
from aca_ray.driver.waiting import wait_for
from aca_ray.sweep.orders import SearchOrder, plugins_of
from aca_ray.training import forget_gpu_memory, free_gpu_bytes, select_device
from aca_ray.trials.pack_memory import PackMemory, has_stages, measure_pack

_GIB = 2**30
_MEASURE_SECONDS = 600.0  # the GPUs of the cluster may be busy for a while


def automatic_sizes(
    groups: Sequence[Sequence[SearchOrder]], runtime: RuntimeSpec, pool: Pool, say: Callable[[str], None]
) -> list[int]:
    """Return how many searches of each group are packed into one process, and show the reason.

    The number is 1 on a CPU, and for methods of several stages, of which only the first could be measured. If trials
    reserve GPUs, a task with the same reservation measures the memory of every group. A group that can't be measured is
    not packed, and the sweep continues: packing changes only the speed.

    Args:
        groups: searches that differ only in their seed; groups of one are not measured.
        runtime: resources of a trial.
        pool: measures.
        say: shows the user a line.
    """
    several = [len(group) > 1 for group in groups]
    if runtime.gpus_per_trial:
        for index, group in enumerate(groups):
            if several[index] and has_stages(group[0].trial):
                several[index] = False
                _said(1, group, "later stages of the method may need more memory than the first; set a number", say)
    pairs = [group[:2] if measured else group[:1] for group, measured in zip(groups, several, strict=True)]
    num_kinds = sum(several)
    if num_kinds and not runtime.gpus_per_trial:
        say("runtime.pack: auto is 1: on a CPU, one core per search is faster")
    if not (num_kinds and runtime.gpus_per_trial):
        return [1] * len(groups)
    say(f"runtime.pack: auto measures the memory of {num_kinds} kinds of searches, two steps each")
    cpus, gpus = runtime.cpus_per_trial, runtime.gpus_per_trial
    tasks = [
        # Alone: a process that has computed something measures another peak, and keeps its GPU memory.
        pool.start(_measure, pair, cpus, gpus, cpus=cpus, gpus=gpus, alone=True) if len(pair) == 2 else None
        for pair in pairs
    ]
    return [1 if task is None else _size(group, task, say) for group, task in zip(groups, tasks, strict=True)]


def _measure(orders: Sequence[SearchOrder], threads: int, gpus: float) -> tuple[int, PackMemory | None]:
    """Return the free GPU memory for a trial of this process, in bytes, and the measured memory."""
    torch.set_num_threads(threads)
    plugins_of(orders[0]).load()
    device = select_device(gpus)
    forget_gpu_memory()  # without Ray, all groups are measured in one process
    return free_gpu_bytes(), measure_pack([order.trial for order in orders], orders[0].data, device)


def _size(group: Sequence[SearchOrder], task: Task, say: Callable[[str], None]) -> int:
    try:
        if not wait_for(task.done, "the measurement", say, _MEASURE_SECONDS):
            task.cancel()
            return _said(1, group, f"measuring the memory of two took longer than {_MEASURE_SECONDS:g} s", say)
        free_bytes, memory = task.result()
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


def _said(size: int, group: Sequence[SearchOrder], reason: str, say: Callable[[str], None]) -> int:
    trial = group[0].trial
    kind = f"{trial.method} {trial.skip} {trial.space_label} {trial.data['name']} e{trial.epochs}"
    say(f"runtime.pack: auto is {size} for {kind}: {reason}")
    return size
