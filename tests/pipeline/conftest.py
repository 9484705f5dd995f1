"""Fixtures: a finished search that takes about a second, and functions to run others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.config import SearchTrial
from aca_ray.pipeline.resumable import ResumableTrial
from aca_ray.pipeline.searching import open_search

torch.set_num_threads(1)

CPU = torch.device("cpu")
DATA = {"name": "digits", "max_train_images": 64, "max_test_images": 32}


@pytest.fixture(scope="session")
def make_trial() -> Callable[..., SearchTrial]:
    """Return a function that makes small search trials: two epochs of two steps each."""
    trial = SearchTrial(
        method="darts",
        skip="allocated",
        space="darts",
        seed=0,
        epochs=2,
        data=DATA,
        network={"channels": 4, "cells": 3},
        batch_size=16,
    )
    return lambda **changes: replace(trial, **changes)


@pytest.fixture(scope="session")
def start() -> Callable[[SearchTrial, Path], ResumableTrial]:
    """Return a function that opens a search in a folder."""
    return lambda trial, folder: open_search(trial, folder, folder, CPU)


@pytest.fixture(scope="session")
def finish() -> Callable[[ResumableTrial], ResumableTrial]:
    """Return a function that runs a trial to its end."""

    def run(trial: ResumableTrial) -> ResumableTrial:
        while trial.record.state != "finished":
            trial.advance()
        return trial

    return run


@pytest.fixture(scope="session")
def searched(
    make_trial: Callable[..., SearchTrial],
    start: Callable[[SearchTrial, Path], ResumableTrial],
    finish: Callable[[ResumableTrial], ResumableTrial],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return the folder of a search that was never interrupted."""
    folder = tmp_path_factory.mktemp("searched") / "trial"
    finish(start(make_trial(), folder))
    return folder


@pytest.fixture(scope="session")
def assert_equal_states(differences: Callable[[Any, Any], list[str]]) -> Callable[[Any, Any], None]:
    """Return an assertion that two nested states are equal, tensors bit for bit."""

    def check(found: Any, expected: Any) -> None:
        assert not differences(found, expected)

    return check
