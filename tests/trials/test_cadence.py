"""When checkpoints are due, by their cost and by the work that could be lost, on a simulated clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

import pytest

from aca_ray.trials.cadence import MAX_LOST_SECONDS, MAX_SHARE, Cadence

Cost = Callable[[int], float]


def trained(cost: Cost, *, num_epochs: int, epoch: float, stretch: float) -> tuple[Cadence, list[float]]:
    """Return the cadence of a trial whose n-th checkpoint costs `cost(n)` seconds, and the work between checkpoints."""
    cadence, between = Cadence(), []
    for _ in range(num_epochs):
        so_far = 0.0
        while so_far < epoch:
            seconds = min(stretch, epoch - so_far, cadence.seconds_left)
            so_far += seconds
            if cadence.worked(seconds, so_far, epoch_ended=so_far >= epoch):
                between.append(cadence.work_seconds)
                cadence.saved(cost(cadence.num_saves))
    return cadence, between


def share(cadence: Cadence) -> float:
    return cadence.saving_seconds / cadence.training_seconds


@pytest.mark.parametrize(
    ("cost", "epoch", "stretch"),
    [
        (0.04, 0.3, 0.3),  # digits on a CPU: a checkpoint per epoch would cost 13 %
        (0.2, 60.0, 10.0),
        (2.0, 45.0, 10.0),
        (10.0, 3600.0, 10.0),
        (0.05, 3600.0, 10.0),
    ],
)
@pytest.mark.parametrize("noise", [0.0, 0.8])
def test_costs_little_and_loses_little(cost: float, epoch: float, stretch: float, noise: float) -> None:
    def costs(index: int) -> float:
        return cost * (1 + noise * (-1) ** index)

    num_epochs = int(200 * cost / MAX_SHARE / epoch) + 20
    cadence, between = trained(costs, num_epochs=num_epochs, epoch=epoch, stretch=stretch)
    assert cadence.num_saves > 5
    assert share(cadence) < 1.05 * MAX_SHARE  # the first one may be early
    assert max(between) == cadence.longest_seconds <= max(MAX_LOST_SECONDS, epoch)
    # Once the cost is known, at most the interval of the most expensive checkpoint, and a slice.
    assert max(between[1:]) <= cost * (1 + noise) / MAX_SHARE + stretch


@pytest.mark.parametrize(
    ("epoch", "stretch", "longest"),
    [
        (1000.0, 10.0, 1000.0),  # an epoch is longer than two minutes
        (30.0, 10.0, 120.0),
        (50.0, math.inf, 120.0),
        (300.0, math.inf, 300.0),
    ],
)
def test_the_limit_on_lost_work_overrides_the_limit_on_cost(epoch: float, stretch: float, longest: float) -> None:
    cadence, _ = trained(lambda index: 60.0, num_epochs=int(12_000 / epoch), epoch=epoch, stretch=stretch)
    assert share(cadence) > 2 * MAX_SHARE
    assert cadence.longest_seconds == longest
    assert cadence.interval_seconds == max(MAX_LOST_SECONDS, epoch)


def test_the_first_is_due_at_the_end_of_the_first_epoch_or_after_two_minutes() -> None:
    short, long = Cadence(), Cadence()
    assert not short.worked(10.0, 10.0, epoch_ended=False)
    assert short.worked(2.0, 12.0, epoch_ended=True)
    stretches = 1
    while not long.worked(10.0, 10.0 * stretches, epoch_ended=False):
        stretches += 1
    assert stretches == MAX_LOST_SECONDS / 10.0


def test_an_expensive_checkpoint_in_a_long_first_epoch_is_not_repeated_every_two_minutes() -> None:
    cadence = Cadence()
    ends = []
    for stretch in range(1, 200):
        if cadence.worked(10.0, 10.0 * stretch, epoch_ended=False):
            cadence.saved(10.0)
            ends.append(10 * stretch)
    assert ends == [120, 620, 1120, 1620]


def test_the_estimated_cost_rises_at_once_and_falls_by_halves() -> None:
    cadence = Cadence()
    found = []
    for seconds in (1.0, 3.0, 1.0, 1.0):
        cadence.saved(seconds)
        found.append(cadence.cost_seconds)
    assert found == [1.0, 3.0, 2.0, 1.5]


def test_figures() -> None:
    cadence = Cadence()
    for work, cost in ((10.0, 0.1), (20.0, 0.2), (6.0, 0.1)):
        cadence.worked(work, work, epoch_ended=True)
        cadence.saved(cost)
    assert (cadence.num_saves, cadence.training_seconds, cadence.longest_seconds) == (3, 36.0, 20.0)
    assert cadence.saving_seconds == pytest.approx(0.4)
    assert cadence.interval_seconds == pytest.approx(0.15 / 0.02)
    assert Cadence(**asdict(cadence)) == cadence
