"""A small finished sweep, run in this process as a user would run it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

import aca_ray

EXPERIMENT: dict[str, Any] = {
    "methods": "darts",
    "spaces": "nasbench201",
    "data": {"name": "digits", "max_train_images": 64, "max_test_images": 32},
    "seeds": [0, 1],
    "epochs": 2,
    "network": {"channels": 4, "cells": 3},
    "batch_size": 16,
    "table": "nasbench201",
    "retraining": {"protocol": "small"},
}


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> aca_ray.Result:
    """The result of a sweep of 4 searches, 6 retrainings and 4 look-ups."""
    storage = tmp_path_factory.mktemp("storage")
    spec = {"name": "done", "experiment": EXPERIMENT, "runtime": {"storage": storage}}
    return aca_ray.run(spec, local=True, stream=io.StringIO())


@pytest.fixture(scope="session")
def storage(result: aca_ray.Result) -> Path:
    assert isinstance(result.folder, Path)
    return result.folder.parent
