"""The epoch loop can stop after any step and resumes exactly."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from aca_ray.errors import TrialError
from aca_ray.training import EpochLoop

CPU = torch.device("cpu")


class Draws:
    """Adds up draws of all three global generators and records its calls."""

    device = CPU
    images_per_epoch = 24

    def __init__(self, bad: float | None = None) -> None:
        self.total, self.calls, self.bad = 0.0, [], bad
        random.seed(0)
        np.random.seed(0)
        torch.manual_seed(0)

    def begin_epoch(self, epoch: int) -> None:
        self.calls.append(("begin", epoch))

    def is_over(self, epoch: int, step: int) -> bool:
        return step == 3

    def step(self, epoch: int, index: int) -> None:
        self.calls.append((epoch, index))
        self.total += random.gauss(0, 1) + np.random.standard_normal() + float(torch.randn(()))

    def end_epoch(self, epoch: int) -> dict[str, float]:
        self.calls.append(("end", epoch))
        return {"total": self.total if self.bad is None else self.bad}

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total = state["total"]


def test_order_of_calls_and_numbers_of_epochs() -> None:
    work = Draws()
    loop = EpochLoop(work, 2)
    reports = [loop.advance(), loop.advance()]
    steps = [("begin", 0), (0, 0), (0, 1), (0, 2), ("end", 0), ("begin", 1), (1, 0), (1, 1), (1, 2), ("end", 1)]
    assert work.calls == steps
    assert [report.epoch for report in reports if report is not None] == [1, 2]
    assert loop.finished


def test_an_empty_slice_stops_after_every_step_but_the_last() -> None:
    sliced, whole = Draws(), EpochLoop(Draws(), 1)
    expected = whole.advance()
    loop = EpochLoop(sliced, 1)
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
    positions = []
    while (report := loop.advance(0.0)) is None:
        positions.append((loop.epoch, loop.step))
    assert positions == [(0, 1), (0, 2)]
    assert expected is not None
    assert report.metrics["total"] == expected.metrics["total"]
    assert sliced.calls == whole.work.calls


def test_measurements_of_the_loop() -> None:
    report = EpochLoop(Draws(), 1).advance()
    assert report is not None
    metrics = report.metrics
    assert metrics["time/images_per_second"] * metrics["time/epoch_seconds"] == pytest.approx(24)
    assert 1 << 20 < metrics["memory/peak_bytes"] < 1 << 40


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_divergence_fails_the_trial(bad: float) -> None:
    loop = EpochLoop(Draws(bad), 2)
    with pytest.raises(TrialError, match=rf"epoch 1: total is {bad}\b.*diverged"):
        loop.advance()
    assert loop.epoch == 0


@pytest.mark.parametrize("num_slices", range(1, 6))
def test_resuming_from_a_state_equals_an_uninterrupted_run(
    num_slices: int, through_a_file: Callable[[Any], Any]
) -> None:
    straight = EpochLoop(Draws(), 2)
    totals = [report.metrics["total"] for report in (straight.advance(), straight.advance()) if report is not None]

    stopped = EpochLoop(Draws(), 2)
    for _ in range(num_slices):
        stopped.advance(0.0)
    state = through_a_file(stopped.state_dict())
    fresh = EpochLoop(Draws(), 2)
    random.seed(7)
    np.random.seed(7)
    torch.manual_seed(7)
    fresh.load_state_dict(state)
    assert (fresh.epoch, fresh.step) == (stopped.epoch, stopped.step)
    again = []
    while not fresh.finished:
        report = fresh.advance()
        assert report is not None
        again.append(report.metrics["total"])
    assert again == totals[stopped.epoch :]
