"""The estimate of a sweep, from times that a pool measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aca_ray.driver.estimating import estimate_sweep
from aca_ray.driver.local import ended_task
from aca_ray.driver.pool import Task
from aca_ray.errors import SweepError
from aca_ray.sweep.manifest import Sweep
from aca_ray.trials.timing import Seconds, Timing

MakeSweep = Callable[..., Sweep]


class TellingPool:
    """Answers every measurement from a table of (start of the label, seconds of an epoch)."""

    def __init__(self, slots: int, seconds: dict[str, float]) -> None:
        self.slots, self.seconds = slots, seconds
        self.asked: list[str] = []
        self.reuses_processes = True

    def run(self, work: Any) -> None:
        raise AssertionError("an estimate runs no trials")

    def start(
        self, function: Callable[..., Any], *arguments: Any, cpus: int = 0, gpus: float = 0.0, alone: bool = False
    ) -> Task:
        if not arguments:  # a process that starts
            return ended_task()
        label = arguments[0].label
        self.asked.append(label)
        for start, seconds in self.seconds.items():
            if label.startswith(start):
                epoch = Seconds(0.5 * seconds, seconds, 2 * seconds)
                return ended_task(Timing(Seconds(1.0, 1.0, 1.0), epoch))
        return ended_task(error=SweepError("no memory left"))


def test_kinds_are_measured_once_and_simulated(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(seeds=[0, 1], epochs=[4, 8])
    pool = TellingPool(1, {"search": 1.0, "retraining": 2.0})
    said: list[str] = []
    estimate = estimate_sweep(sweep, pool, said.append)
    assert len(pool.asked) == len(set(pool.asked)) == 2  # searches of both budgets take the same time per epoch
    assert [(kind.num_trials, kind.each.mean) for kind in estimate.kinds] == [(2, 9.0), (2, 5.0), (4, 1 + 2 * 4)]
    assert estimate.work.mean == 2 * 5 + 2 * 9 + 4 * 9
    assert estimate.whole.mean == estimate.work.mean  # one slot
    assert estimate.whole.low < estimate.whole.mean < estimate.whole.high
    assert len(said) == 1


def test_slots_are_filled_while_it_measures_and_in_the_simulation(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(seeds=[0, 1], epochs=4)
    pool = TellingPool(8, {"search": 1.0, "retraining": 2.0})
    estimate = estimate_sweep(sweep, pool, lambda text: None)
    assert len(pool.asked) == 8
    assert estimate.whole.mean == (1 + 4) + (1 + 2 * 4)  # both searches, then both retrainings


def test_rankings_and_packs(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(skip="allocated", seeds=[0, 1, 2], pack=3, spaces="nasbench201", networks="table: nasbench201")
    estimate = estimate_sweep(sweep, TellingPool(2, {"search": 1.0, "ranking": 0.0}), lambda text: None)
    assert [(kind.label.split()[0], kind.num_trials) for kind in estimate.kinds] == [("search", 1), ("ranking", 12)]
    assert "pack of 3" in estimate.kinds[0].label


def test_data_sets_of_one_name_are_different_kinds(make_sweep: MakeSweep) -> None:
    plain = make_sweep()
    (data,) = plain.spec.experiment.data
    both = plain.spec.experiment.model_copy(update={"data": (data, {**data, "max_train_images": 32})})
    sweep = replace(plain, spec=plain.spec.model_copy(update={"experiment": both}))
    estimate = estimate_sweep(sweep, TellingPool(1, {"search": 1.0, "retraining": 2.0}), lambda text: None)
    assert [kind.num_trials for kind in estimate.kinds] == [1, 1, 1, 1]


def test_all_kinds_that_fail_are_named(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(methods="[darts, gdas]")
    with pytest.raises(SweepError) as caught:
        estimate_sweep(sweep, TellingPool(1, {"retraining": 1.0}), lambda text: None)
    assert str(caught.value).count("no memory left") == 2
    assert "darts" in str(caught.value)
    assert "gdas" in str(caught.value)
