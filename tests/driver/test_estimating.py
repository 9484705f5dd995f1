"""The estimate of a sweep, from times that a pool measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aca_ray.driver import rehearsal
from aca_ray.driver.estimating import estimate_sweep
from aca_ray.driver.local import ended_task
from aca_ray.driver.pool import Task
from aca_ray.driver.run import SweepOutcome
from aca_ray.errors import SweepError
from aca_ray.records import Row, SearchRow, TrialRecord
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import Order, search_orders
from aca_ray.trials.timing import Seconds, Timing

MakeSweep = Callable[..., Sweep]


class TellingPool:
    """Answers every measurement from a table of (start of the label, seconds of an epoch); a process starts in 8 s."""

    def __init__(self, slots: int, seconds: dict[str, float]) -> None:
        self.slots, self.seconds = slots, seconds
        self.asked: list[str] = []
        self.now, self.reuses_processes = 0.0, True

    def run(self, work: Any) -> None:
        raise AssertionError("an estimate runs no trials")

    def start(
        self, function: Callable[..., Any], *arguments: Any, cpus: int = 0, gpus: float = 0.0, alone: bool = False
    ) -> Task:
        if not arguments:  # a process that starts
            self.now += 8.0
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
    pool = TellingPool(2, {"search": 1.0, "ranking": 0.0})
    estimate = estimate_sweep(sweep, pool, lambda text: None, clock=lambda: pool.now)
    assert [(kind.label.split()[0], kind.num_trials) for kind in estimate.kinds] == [("search", 1), ("ranking", 12)]
    assert "pack of 3" in estimate.kinds[0].label
    assert estimate.kinds[1].each.mean == pytest.approx(1 + 8 / 3)  # a process starts for the three of a milestone
    assert estimate.whole.mean == pytest.approx((1 + 4) + 12 / 2 * (1 + 8 / 3))


def test_a_process_starts_for_every_trial_on_a_cluster(make_sweep: MakeSweep) -> None:
    sweep = make_sweep(seeds=[0, 1], epochs=4)
    pool = TellingPool(1, {"search": 1.0, "retraining": 2.0})
    pool.reuses_processes = False
    estimate = estimate_sweep(sweep, pool, lambda text: None, clock=lambda: pool.now)
    assert [kind.each.mean for kind in estimate.kinds] == [8 + 1 + 4, 8 + 1 + 2 * 4]


def test_what_a_sweep_takes_besides_its_trials_counts(
    make_sweep: MakeSweep, leave: Callable[[Order], TrialRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = make_sweep(seeds=[0, 1, 2], epochs=4, pack=2)
    now, rehearsed = [0.0], []
    monkeypatch.setattr(rehearsal, "perf_counter", lambda: now[0])

    def run(tiny: Sweep) -> SweepOutcome:
        rehearsed.append(tiny)
        now[0] += 30.0
        for order in search_orders(tiny):
            # Packed epochs of 2 * 0.25 s end every 1.5 s: a turn takes 1 s, for two searches.
            rows = [Row(epoch, 1500 * epoch, {"time/epoch_seconds": 0.25}) for epoch in range(1, 5)]
            replace(leave(order), rows=tuple(SearchRow(**vars(row), architecture=None) for row in rows)).write(
                order.folder
            )
        return SweepOutcome(None, False, (), True)

    pool = TellingPool(1, {"search": 1.0, "retraining": 2.0})
    estimate = estimate_sweep(sweep, pool, lambda text: None, opening=5.0, rehearsal=run)
    (tiny,) = rehearsed
    assert not tiny.folder.path.exists()
    assert (len(search_orders(tiny)), tiny.spec.runtime.pack) == (2, 2)
    assert estimate.ends == 5.0 + 30.0 - 4.5
    turns = [0.5 * 2 * 4, 0.5 * 4]  # of the pack and of the single search
    assert sorted(kind.each.mean for kind in estimate.kinds)[:2] == sorted([5.0 + turns[0], 5.0 + turns[1]])
    assert estimate.whole.mean == pytest.approx(estimate.ends + estimate.work.mean)


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        (SweepOutcome(None, True, (), True), KeyboardInterrupt),
        (SweepOutcome(None, False, ("no memory left",), True), SweepError),
    ],
)
def test_a_tiny_sweep_that_does_not_end_is_no_measurement(
    make_sweep: MakeSweep, outcome: SweepOutcome, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        estimate_sweep(make_sweep(), TellingPool(1, {}), lambda text: None, rehearsal=lambda tiny: outcome)


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
