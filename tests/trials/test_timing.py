"""Times of trials, measured by a few of their steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.config import RetrainingTrial, SearchTrial
from aca_ray.retraining import Retraining
from aca_ray.search.search import Search
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.timing import Seconds, Timing, sampled_epochs, time_ranking, time_retraining, time_searches

CPU = torch.device("cpu")
DATA = {"name": "digits", "max_train_images": 80, "max_test_images": 40}
TRIAL = SearchTrial(
    method="darts",
    skip="allocated",
    space="nasbench201",
    seed=0,
    epochs=12,
    data=DATA,
    network={"channels": 4, "cells": 3},
    batch_size=8,
)
RETRAINING = RetrainingTrial.of_search(TRIAL, {"base": "small", "epochs": 3, "batch_size": 16}, 0, None, "all")


def test_seconds_and_their_range() -> None:
    step = Seconds.of([1.0, 2.0, 6.0], count=10)
    assert step == Seconds(10.0, 30.0, 60.0)
    assert step + Seconds(1.0, 2.0, 3.0) == Seconds(11.0, 32.0, 63.0)
    assert step * 2 == Seconds(20.0, 60.0, 120.0)
    assert Seconds.pooled([step, Seconds(5.0, 50.0, 55.0)]) == Seconds(5.0, 40.0, 60.0)
    timing = Timing(Seconds(1.0, 1.0, 1.0), Seconds(2.0, 3.0, 4.0))
    assert timing.of_epochs(10) == Seconds(21.0, 31.0, 41.0)


@pytest.mark.parametrize(("num_epochs", "sampled"), [(1, [0]), (2, [0, 1]), (6, [1, 3, 5]), (50, [8, 25, 41])])
def test_sampled_epochs_are_the_middles_of_the_thirds(num_epochs: int, sampled: list[int]) -> None:
    assert sampled_epochs(num_epochs) == sampled


class Clock:
    """A clock that only the steps of trials move."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds: Callable[[Any], float]) -> None:
        self.now = 0.0
        for work in (Search, Retraining):
            monkeypatch.setattr(work, "step", self._moved_by(work.step, seconds))

    def __call__(self) -> float:
        return self.now

    def _moved_by(self, step: Callable[..., None], seconds: Callable[[Any], float]) -> Callable[..., None]:
        def moved(work: Any, epoch: int, index: int) -> None:
            self.now += seconds(work)
            step(work, epoch, index)

        return moved


def test_a_search_is_its_steps_times_their_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = Clock(monkeypatch, lambda search: 8.0 if search.clock > 6 else 2.0)
    timing = time_searches([TRIAL], DataRef(DATA, tmp_path), CPU, clock)
    assert timing == Timing(Seconds(0.0, 0.0, 0.0), Seconds(20.0, 20.0, 20.0))  # 5 steps, (2 + 2 + 8) / 3 s each
    assert not list(tmp_path.iterdir())


def test_a_pack_takes_the_time_of_all_its_searches(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = Clock(monkeypatch, lambda search: 1.0)
    timing = time_searches([replace(TRIAL, seed=seed) for seed in range(3)], DataRef(DATA, tmp_path), CPU, clock)
    assert timing.epoch.mean == pytest.approx(3 * 5, rel=0.1)  # they run in turn


def test_a_retraining_is_its_steps_times_their_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    timing = time_retraining(RETRAINING, TRIAL, DataRef(DATA, tmp_path), CPU, Clock(monkeypatch, lambda work: 3.0))
    assert timing == Timing(Seconds(0.0, 0.0, 0.0), Seconds(15.0, 15.0, 15.0))  # 5 steps of 16 of 80 images


@pytest.mark.parametrize("ranking", ["taylor_identity", "l1", "catro"])
def test_a_ranking_has_a_time(ranking: str, tmp_path: Path) -> None:
    seconds = time_ranking(TRIAL, ranking, DataRef(DATA, tmp_path), CPU)
    assert 0 < seconds.low <= seconds.high
