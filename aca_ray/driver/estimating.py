"""Estimate of the time that a sweep takes, from a few steps of every kind of trial."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from operator import attrgetter
from time import perf_counter

import torch

from aca_ray.comparison.grouping import grouped
from aca_ray.config import LookUpTrial, RuntimeSpec
from aca_ray.driver.pool import Pool
from aca_ray.driver.rehearsal import Besides, rehearse
from aca_ray.driver.run import SweepOutcome
from aca_ray.driver.waiting import wait_for
from aca_ray.errors import SweepError
from aca_ray.plugins import KeptPlugins
from aca_ray.storage import StoragePath
from aca_ray.sweep.graph import Graph
from aca_ray.sweep.kinds import trial_kind
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import NetworkOrder, Order, SearchOrder, packable_searches, packed_searches, search_orders
from aca_ray.sweep.ranking_orders import RankingOrder
from aca_ray.sweep.simulation import simulated_end
from aca_ray.sweep.sweep_graph import SweepJob, sweep_graph
from aca_ray.training import select_device
from aca_ray.trials.new_record import new_retraining
from aca_ray.trials.timing import Clock, Seconds, Timing, time_ranking, time_retraining, time_searches

Work = tuple[Order, ...] | RankingOrder
NOTHING = Seconds(0.0, 0.0, 0.0)

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
        ends: part of `whole` before the first and after the last epoch of all trials.
        whole: time from the start of Ray to the report.
    """

    kinds: tuple[KindEstimate, ...]
    slots: int
    ends: float
    whole: Seconds

    @property
    def work(self) -> Seconds:
        """Total time of all trials."""
        return sum((kind.each * kind.num_trials for kind in self.kinds), NOTHING)


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


def estimate_sweep(
    sweep: Sweep,
    pool: Pool,
    say: Callable[[str], None],
    *,
    opening: float = 0.0,
    rehearsal: Callable[[Sweep], SweepOutcome] | None = None,
    clock: Clock = perf_counter,
) -> SweepEstimate:
    """Measure one trial of every kind in a pool, as many at once as it runs, and return the estimate.

    What is added up: the opening of the pool; what a tiny sweep, which runs first, takes before, between and after its
    epochs (`rehearse`); the steps of all trials; and, shared by the rankings of a milestone, the start of the process
    that carries them out. A ranking takes a slot: it has no core of its own.

    Retrainings of equal networks are trained once. Which will be equal is unknown, so that all count. `pack: auto`
    counts as 1.

    Args:
        sweep: the sweep, of which nothing is done.
        pool: measures, with the resources of trials.
        say: shows the user a line.
        opening: seconds in which the pool was opened.
        rehearsal: runs a sweep in the pool; None where no folder is certain to be shared with all nodes. Nothing
            besides trials and the starts of their processes then counts.
        clock: returns the seconds since any origin.

    Raises:
        SweepError: kinds could not be measured; names all of them. Or the tiny sweep did not end.
    """
    runtime, searches = sweep.spec.runtime, search_orders(sweep)
    size = runtime.pack if isinstance(runtime.pack, int) else 1
    packs = packed_searches(groups := packable_searches(searches), [size] * len(groups))
    jobs = sweep_graph(sweep, packs).jobs
    by_folder = {order.folder: order for order in searches}
    kinds = {job: kind for job in jobs if (kind := _kind_of(job.work, by_folder)) is not None}
    slots = min(pool.slots, runtime.max_concurrent or pool.slots)
    besides = Besides(0.0, NOTHING)
    if rehearsal is not None:
        say("measuring what a sweep takes besides its trials")
        besides = rehearse(runtime, min(slots, len(packs)), max(map(len, packs)), rehearsal)
    started = Seconds.of([_seconds_to_start(pool, say, clock)])
    plugins = KeptPlugins.carried(sweep.spec.experiment.plugins)
    timings = _measured({kind.key: kind for kind in kinds.values()}, plugins, slots, pool, runtime, say)
    in_batch = _rankings_in_batch(jobs, packs)

    def seconds(job: SweepJob, kind: _Kind) -> Seconds:
        steps = timings[kind.key].of_epochs(kind.num_epochs)
        if isinstance(job.work, RankingOrder):
            return steps + started * (1 / in_batch[job])
        begun = NOTHING if pool.reuses_processes else started
        return begun + steps + besides.turn * (kind.num_epochs * len(job.work))

    times = {job: seconds(job, kind) for job, kind in kinds.items()}

    def end(bound: Callable[[Seconds], float]) -> float:
        work_times = {id(job.work): bound(seconds) for job, seconds in times.items()}
        return simulated_end(Graph(jobs), slots, lambda work: work_times[id(work)], lambda work: id(work) in work_times)

    ends = opening + besides.ends
    whole = Seconds(*(ends + end(attrgetter(name)) for name in ("low", "mean", "high")))
    by_kind = grouped(kinds, lambda job: (kinds[job].key, kinds[job].num_epochs))
    rows = tuple(KindEstimate(kinds[own[0]].label, len(own), times[own[0]]) for own in by_kind.values())
    return SweepEstimate(rows, slots, ends, whole)


def _rankings_in_batch(jobs: Iterable[SweepJob], packs: Sequence[Sequence[SearchOrder]]) -> dict[SweepJob, int]:
    """Return, for every ranking, the number of those of the same milestone and pack, which one process carries out."""
    numbers = {order.folder: number for number, pack in enumerate(packs) for order in pack}
    batches: dict[tuple[int, int], list[SweepJob]] = defaultdict(list)
    for job in jobs:
        if isinstance(job.work, RankingOrder) and job.work.search is not None:
            batches[numbers[job.work.search], job.work.epoch].append(job)
    return {job: len(batch) for batch in batches.values() for job in batch}


def _seconds_to_start(pool: Pool, say: Callable[[str], None], clock: Clock) -> float:
    """Return the seconds in which a process starts and loads what trials need; about 0 if that is this process."""
    begin = clock()
    task = pool.start(_started)
    wait_for(task.done, "a process to start", say, _MEASURE_SECONDS)
    task.result(timeout=0.0)
    return clock() - begin


def _started() -> None:
    """Do nothing: the process has loaded this module."""


def _kind_of(work: Work, searches: Mapping[StoragePath, SearchOrder]) -> _Kind | None:
    """Return the kind of a job; None for a look-up, which takes no time."""
    if isinstance(work, RankingOrder):
        assert work.search is not None
        search = searches[work.search]
        label = f"ranking {work.ranking}, {_search_label(search)}"
        return _Kind(f"ranking {work.ranking} {trial_kind(search)}", label, 0, work, search)
    first = work[0]
    if isinstance(first, SearchOrder):
        packed = f", pack of {len(work)}" if len(work) > 1 else ""
        epochs = first.trial.epochs
        label = f"search {_search_label(first)}, {epochs} epochs{packed}"
        return _Kind(f"{len(work)} {trial_kind(first)}", label, epochs, work)
    if isinstance(first.trial, LookUpTrial):
        return None
    trial = first.trial
    num_epochs = new_retraining(trial).num_epochs
    label = f"retraining {trial.label}, {trial.space_label} {trial.data['name']} {trial.skip}, {num_epochs} epochs"
    return _Kind(f"{trial_kind(first)}", label, num_epochs, work)


def _search_label(search: SearchOrder) -> str:
    trial = search.trial
    return f"{trial.method} {trial.skip} {trial.space_label} {trial.data['name']}"


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
        return Timing(ranked, NOTHING)
    if isinstance(work[0], NetworkOrder):
        order = work[0]
        assert not isinstance(order.trial, LookUpTrial)
        return time_retraining(order.trial, order.search, order.data, device)
    orders = [order for order in work if isinstance(order, SearchOrder)]
    return time_searches([order.trial for order in orders], orders[0].data, device)
