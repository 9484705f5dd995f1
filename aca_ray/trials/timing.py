"""How long trials take, measured by a few of their steps."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn

from aca_ray.channels import rank_channels
from aca_ray.config import RetrainingTrial, SearchTrial
from aca_ray.data import Decoders, EncodedImages, Images, evaluation_batches
from aca_ray.nn.fused import fuse
from aca_ray.packing import Pack
from aca_ray.retraining import Retraining, find_protocol
from aca_ray.search.search import Accelerator
from aca_ray.training import EpochWork, evaluate_network
from aca_ray.trials.allocating import RANKING_BATCH
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import build_search

Clock = Callable[[], float]

NUM_STEPS = 3  # timed at every sampled epoch, after those that are not (`_num_untimed`)
_NUM_SAMPLES = 3
_NUM_BATCHES = 2  # timed of a pass without training


@dataclass(frozen=True)
class Seconds:
    """A measured time and its range.

    Attributes:
        low: time if every step takes as long as the fastest.
        mean: mean.
        high: time if every step takes as long as the slowest.
    """

    low: float
    mean: float
    high: float

    @staticmethod
    def of(times: Sequence[float], count: float = 1.0) -> Seconds:
        """Return the time of `count` repetitions of a step, given the times of some."""
        return Seconds(count * min(times), count * statistics.fmean(times), count * max(times))

    @staticmethod
    def pooled(measured: Sequence[Seconds]) -> Seconds:
        """Return the time of something that was measured several times."""
        return Seconds(
            min(one.low for one in measured),
            statistics.fmean(one.mean for one in measured),
            max(one.high for one in measured),
        )

    def __add__(self, other: Seconds) -> Seconds:
        return Seconds(self.low + other.low, self.mean + other.mean, self.high + other.high)

    def __mul__(self, factor: float) -> Seconds:
        return Seconds(self.low * factor, self.mean * factor, self.high * factor)


@dataclass(frozen=True)
class Timing:
    """Time of one kind of trial.

    Attributes:
        start: time to load the data and to build the networks.
        epoch: mean time of an epoch, including the measurement of accuracies after it.
    """

    start: Seconds
    epoch: Seconds

    @staticmethod
    def pooled(measured: Sequence[Timing]) -> Timing:
        """Return the time of a kind that was measured several times."""
        return Timing(Seconds.pooled([one.start for one in measured]), Seconds.pooled([one.epoch for one in measured]))

    def of_epochs(self, num_epochs: int) -> Seconds:
        """Return the time of a trial with this number of epochs."""
        return self.start + self.epoch * num_epochs


def time_searches(
    trials: Sequence[SearchTrial], data: DataRef, device: torch.device, clock: Clock = time.perf_counter
) -> Timing:
    """Return the time of searches that differ only in their seed, computed as one pack; no file is written.

    Steps are timed in the middles of the thirds of the search, so that warm-ups and stages count in proportion. The
    time that stages themselves take to begin is left out.

    Args:
        trials: the searches of a pack.
        data: their data.
        device: device to compute on.
        clock: returns the seconds since any origin.
    """
    if len(trials) == 1:
        return _time_search(trials[0], data, device, fuse, clock)
    timings: list[Timing] = []

    def measure(trial: SearchTrial, accelerate: Accelerator) -> None:
        timings.append(_time_search(trial, data, device, accelerate, clock))

    pack = Pack(device, len(trials))
    pack.run([partial(measure, trial, own.accelerate) for trial, own in zip(trials, pack.members, strict=True)])
    return Timing.pooled(timings)


def time_retraining(
    trial: RetrainingTrial, search: SearchTrial, data: DataRef, device: torch.device, clock: Clock = time.perf_counter
) -> Timing:
    """Return the time of a retraining of what a search may find; no file is written.

    The network is that of the cells that the untrained supernet gives, without refilling.

    Args:
        trial: the retraining.
        search: its search.
        data: their data.
        device: device to compute on.
        clock: returns the seconds since any origin.
    """
    protocol = find_protocol(trial.protocol)
    genotype = build_search(search, data.for_search(), device).genotype()
    begin = clock()
    images = data.for_retraining()
    work = Retraining(genotype, None, images, protocol, seed=trial.retrain_seed, device=device)
    start = Seconds.of([clock() - begin])
    epoch = protocol.epochs // 2
    work.begin_epoch(epoch)
    steps = _step_times(work, epoch, work.steps_per_epoch, _num_untimed(images.train, device), device, clock)
    batches = evaluation_batches(images.test, images.info, protocol.batch_size, device)
    num_batches = math.ceil(len(images.test) / protocol.batch_size)
    num_untimed = _num_untimed(images.test, device)
    tests = _pass_times(work.network, work.passes.evaluate, batches, num_batches, num_untimed, device, clock)
    return Timing(start, Seconds.of(steps, work.steps_per_epoch) + Seconds.of(tests, num_batches))


def time_ranking(
    trial: SearchTrial, ranking: str, data: DataRef, device: torch.device, clock: Clock = time.perf_counter
) -> Seconds:
    """Return the time to rank the channels of one milestone of a search; no file is written."""
    begin = clock()
    images = data.for_search()
    search = build_search(replace(trial, precision="float32"), images, device)  # as rankings are computed
    start = Seconds.of([clock() - begin])
    times = []
    for _ in range(2):
        batch = islice(evaluation_batches(images.valid, images.info, RANKING_BATCH, device), 1)
        times.append(
            _timed(
                lambda batch=batch: rank_channels(  # type: ignore[misc]
                    search.network, search.mixing(), search.space, search.genotype(), batch, ranking, seed=trial.seed
                ),
                device,
                clock,
            )
        )
    return start + Seconds.of(times[1:], math.ceil(len(images.valid) / RANKING_BATCH))


def _time_search(
    trial: SearchTrial, data: DataRef, device: torch.device, accelerate: Accelerator, clock: Clock
) -> Timing:
    begin = clock()
    images = data.for_search()
    search = build_search(trial, images, device, accelerate)
    start = Seconds.of([clock() - begin])
    num_untimed = _num_untimed(images.train, device)
    samples = []
    for epoch in sampled_epochs(trial.epochs):
        search.seek(epoch)
        times = _step_times(search, epoch, search.steps_per_epoch, num_untimed, device, clock)
        samples.append(Seconds.of(times, search.steps_per_epoch))
    mixing = search.mixing()
    batches = evaluation_batches(images.valid, images.info, search.batch_size, device)
    num_batches = math.ceil(len(images.valid) / search.batch_size)
    tests = _pass_times(
        search.network,
        lambda inputs: search.network(inputs, mixing),
        batches,
        num_batches,
        num_untimed,
        device,
        clock,
    )
    steps = Seconds(*(statistics.fmean(getattr(one, name) for one in samples) for name in ("low", "mean", "high")))
    return Timing(start, steps + Seconds.of(tests, num_batches))


def sampled_epochs(num_epochs: int) -> list[int]:
    """Return the 0-based epochs whose steps are timed: the middles of the thirds of a search."""
    middles = ((2 * part + 1) * num_epochs // (2 * _NUM_SAMPLES) for part in range(_NUM_SAMPLES))
    return sorted(set(middles))


def _num_untimed(images: Images, device: torch.device) -> int:
    """Return how many steps are not timed.

    The first one allocates memory and chooses kernels. While it does, images that are not in memory are decoded ahead;
    a step takes as long as in a long run once these batches are used up.
    """
    return 1 + (Decoders.beside(device).batches_ahead(1) if isinstance(images, EncodedImages) else 0)


def _step_times(
    work: EpochWork, epoch: int, steps_per_epoch: int, num_untimed: int, device: torch.device, clock: Clock
) -> list[float]:
    """Return the times of some steps of an epoch; of the last one, if there are only steps that are not timed."""
    num_steps = min(num_untimed + NUM_STEPS, steps_per_epoch)
    times = [_timed(partial(work.step, epoch, index), device, clock) for index in range(num_steps)]
    return times[num_untimed:] or times[-1:]


def _pass_times(
    network: nn.Module,
    forward: Callable[[Tensor], Tensor],
    batches: Iterator[tuple[Tensor, Tensor]],
    num_batches: int,
    num_untimed: int,
    device: torch.device,
    clock: Clock,
) -> list[float]:
    """Return the times of some batches of a pass that measures accuracy, reading included; see `_step_times`."""
    times = [
        _timed(partial(evaluate_network, network, forward, islice(batches, 1), device), device, clock)
        for _ in range(min(num_untimed + _NUM_BATCHES, num_batches))
    ]
    return times[num_untimed:] or times[-1:]


def _timed(function: Callable[[], Any], device: torch.device, clock: Clock) -> float:
    """Return the seconds that a call takes, with all work that it starts on a GPU."""
    begin = clock()
    function()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - begin
