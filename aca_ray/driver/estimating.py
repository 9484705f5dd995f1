"""Estimate of the time that a sweep takes, from a few steps of every kind of trial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import cycle, islice
from operator import attrgetter

import torch

from aca_ray.comparison.grouping import grouped
from aca_ray.config import LookUpTrial, RuntimeSpec, canonical_json
from aca_ray.driver.pool import Pool
from aca_ray.driver.waiting import wait_for
from aca_ray.errors import SweepError
from aca_ray.plugins import KeptPlugins
from aca_ray.storage import StoragePath
from aca_ray.sweep.graph import Graph
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import NetworkOrder, Order, SearchOrder, packable_searches, packed_searches, search_orders
from aca_ray.sweep.ranking_orders import RankingOrder
from aca_ray.sweep.simulation import simulated_end
from aca_ray.sweep.sweep_graph import sweep_graph
from aca_ray.training import select_device
from aca_ray.trials.new_record import new_retraining
from aca_ray.trials.timing import Seconds, Timing, time_ranking, time_retraining, time_searches

Work = tuple[Order, ...] | RankingOrder

_MEASURE_SECONDS = 3600.0  # the cluster may be busy for a while


@dataclass(frozen=True)
class KindEstimate:
    """Trials that take the same time.

    Attributes:
        label: what they are.
        num_trials: number of trials; a pack of searches counts as one.
        each: time of one.
    """

    label: str
    num_trials: int
    each: Seconds


@dataclass(frozen=True)
class SweepEstimate:
    """The time that a sweep takes.

    Attributes:
        kinds: searches, rankings and retrainings; look-ups take no time.
        slots: number of trials that run at once.
        whole: time until the last trial ends.
    """

    kinds: tuple[KindEstimate, ...]
    slots: int
    whole: Seconds

    @property
    def work(self) -> Seconds:
        """Total time of all trials."""
        return sum((kind.each * kind.num_trials for kind in self.kinds), Seconds(0.0, 0.0, 0.0))


@dataclass(frozen=True)
class _Kind:
    """A kind of trial, and one of them to measure.

    Attributes:
        key: identity of the kind.
        label: what it is.
        num_epochs: epochs of the trial; 0 for a ranking.
        work: the trial, or the pack or ranking.
        search: search of a ranking.
    """

    key: str
    label: str
    num_epochs: int
    work: Work
    search: SearchOrder | None = None


def estimate_sweep(sweep: Sweep, pool: Pool, say: Callable[[str], None]) -> SweepEstimate:
    """Measure one trial of every kind in a pool, as many at once as it runs, and return the estimate.

    Retrainings of equal networks are trained once. Which will be equal is unknown, so that all count. The start of Ray
    and of its processes, checkpoints, and the cores that driver and tracker use are left out. `pack: auto` counts as 1.

    Args:
        sweep: the sweep, of which nothing is done.
        pool: measures, with the resources of trials.
        say: shows the user a line.

    Raises:
        SweepError: kinds could not be measured; names all of them.
    """
    runtime, searches = sweep.spec.runtime, search_orders(sweep)
    size = runtime.pack if isinstance(runtime.pack, int) else 1
    groups = packable_searches(searches)
    jobs = sweep_graph(sweep, packed_searches(groups, [size] * len(groups))).jobs
    by_folder = {order.folder: order for order in searches}
    kinds = {job: kind for job in jobs if (kind := _kind_of(job.work, by_folder)) is not None}
    slots = min(pool.slots, runtime.max_concurrent or pool.slots)
    plugins = KeptPlugins.carried(sweep.spec.experiment.plugins)
    timings = _measured({kind.key: kind for kind in kinds.values()}, plugins, slots, pool, runtime, say)
    times = {job: timings[kind.key].of_epochs(kind.num_epochs) for job, kind in kinds.items()}

    def end(bound: Callable[[Seconds], float]) -> float:
        work_times = {id(job.work): bound(seconds) for job, seconds in times.items()}
        return simulated_end(Graph(jobs), slots, lambda work: work_times[id(work)], lambda work: id(work) in work_times)

    whole = Seconds(*(end(attrgetter(name)) for name in ("low", "mean", "high")))
    by_kind = grouped(kinds, lambda job: (kinds[job].key, kinds[job].num_epochs))
    rows = tuple(KindEstimate(kinds[own[0]].label, len(own), times[own[0]]) for own in by_kind.values())
    return SweepEstimate(rows, slots, whole)


def _kind_of(work: Work, searches: Mapping[StoragePath, SearchOrder]) -> _Kind | None:
    """Return the kind of a job; None for a look-up, which takes no time."""
    if isinstance(work, RankingOrder):
        assert work.search is not None
        search = searches[work.search]
        key, label = _search_kind(search)
        return _Kind(f"ranking {work.ranking} {key}", f"ranking {work.ranking}, {label}", 0, work, search)
    first = work[0]
    if isinstance(first, SearchOrder):
        key, label = _search_kind(first)
        packed = f", pack of {len(work)}" if len(work) > 1 else ""
        epochs = first.trial.epochs
        return _Kind(f"search {len(work)} {key}", f"search {label}, {epochs} epochs{packed}", epochs, work)
    if isinstance(first.trial, LookUpTrial):
        return None
    trial = first.trial
    num_epochs = new_retraining(trial).num_epochs
    key = canonical_json([trial.space, trial.skip, trial.data, trial.protocol])
    label = f"retraining {trial.label}, {trial.space_label} {trial.data['name']} {trial.skip}, {num_epochs} epochs"
    return _Kind(f"retraining {key}", label, num_epochs, work)


def _search_kind(search: SearchOrder) -> tuple[str, str]:
    """Return identity and label of searches that differ only in seed and epochs."""
    trial = search.trial
    label = f"{trial.method} {trial.skip} {trial.space_label} {trial.data['name']}"
    return replace(trial, seed=0, epochs=1).fingerprint, label


def _measured(
    kinds: Mapping[str, _Kind],
    plugins: KeptPlugins,
    slots: int,
    pool: Pool,
    runtime: RuntimeSpec,
    say: Callable[[str], None],
) -> dict[str, Timing]:
    """Return the times of all kinds, measured while as many trials run at once as in the sweep."""
    say(f"measuring {len(kinds)} kinds of trials, {slots} at once")
    cpus, gpus = runtime.cpus_per_trial, runtime.gpus_per_trial
    wanted = list(islice(cycle(kinds.values()), max(len(kinds), slots))) if kinds else []
    tasks = [(kind, pool.start(_measure, kind, plugins, cpus, gpus, cpus=cpus, gpus=gpus)) for kind in wanted]
    found: dict[str, list[Timing]] = {}
    problems: list[str] = []
    for kind, task in tasks:
        try:
            if wait_for(task.done, "the measurements", say, _MEASURE_SECONDS):
                found.setdefault(kind.key, []).append(task.result())
            else:
                problems.append(f"{kind.label}: took longer than {_MEASURE_SECONDS:g} s")
        except Exception as error:
            problems.append(f"{kind.label}: {(str(error).strip() or repr(error)).splitlines()[-1]}")
    if problems:
        raise SweepError("\n".join(["these trials could not be measured:", *dict.fromkeys(problems)]))
    return {key: Timing.pooled(own) for key, own in found.items()}


def _measure(kind: _Kind, plugins: KeptPlugins, threads: int, gpus: float) -> Timing:
    plugins.load()
    torch.set_num_threads(threads)
    device, work = select_device(gpus), kind.work
    if isinstance(work, RankingOrder):
        assert kind.search is not None
        ranked = time_ranking(kind.search.trial, work.ranking, kind.search.data, device)
        return Timing(ranked, Seconds(0.0, 0.0, 0.0))
    if isinstance(work[0], NetworkOrder):
        order = work[0]
        assert not isinstance(order.trial, LookUpTrial)
        return time_retraining(order.trial, order.search, order.data, device)
    orders = [order for order in work if isinstance(order, SearchOrder)]
    return time_searches([order.trial for order in orders], orders[0].data, device)
