"""The comparison of a running sweep."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest

from aca_ray import api
from aca_ray.cluster.pool import task_pool
from aca_ray.driver import comparing
from aca_ray.driver.interrupt import Interrupt

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Restore the environment, which Ray changes and processes of later tests would inherit."""
    with patch.dict(os.environ):
        yield


def test_results_so_far_are_compared_in_a_task(
    undisturbed: SweepProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(undisturbed.sweep, tmp_path / "results" / "small")
    retrainings = sorted((tmp_path / "results" / "small" / "retrainings").iterdir())
    shutil.rmtree(retrainings[0])  # as if it had not started
    sweep = api.find("small", tmp_path / "results")
    shutil.rmtree(sweep.folder.comparison)
    monkeypatch.setattr(comparing, "_SHORTEST_SECONDS", 0.0)
    told: list[int] = []

    def compared() -> None:
        text = (sweep.folder.comparison / "networks.csv").read_text()
        told.append(len(text.splitlines()) - 1)

    with task_pool(1, Interrupt(), print) as pool:
        comparisons = comparing.Comparisons(sweep, pool, compared)
        end = time.monotonic() + 60
        while not told:
            assert time.monotonic() < end
            comparisons.poll()
            time.sleep(0.1)
        comparisons.finish(print)
    assert told == [len(retrainings) - 1]
