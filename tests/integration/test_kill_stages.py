"""Searches killed in the middle of a change of stage end exactly as the undisturbed one."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.config import SearchTrial
from aca_ray.records import SearchRecord, TrialFolder
from aca_ray.storage import read_checkpoint
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import open_search

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("dies_in_stage_change.py")


def trial_of(method: str) -> SearchTrial:
    num_epochs = 26 if method == "opp_darts" else 4  # OPP-DARTS grows only in the first quarter
    return SearchTrial(
        method=method,
        skip="searched",
        space="darts_without_none" if method == "opp_darts" else "s3",
        seed=1,
        epochs=num_epochs,
        data={"name": "digits", "max_train_images": 32},
        network={"channels": 12, "cells": 3},
        batch_size=16,
    )


def finish(trial: SearchTrial, folder: Path) -> tuple[SearchRecord, dict[str, Any]]:
    """Run a search to its end; return its record and the state of its last milestone."""
    search = open_search(trial, folder, DataRef(trial.data, folder), torch.device("cpu"))
    while not search.finished:
        search.advance()
    return search.record, read_checkpoint(TrialFolder(folder).milestone(trial.epochs))[1]["work"]


@pytest.mark.parametrize(
    ("method", "doing", "fatal"),
    [
        ("p_darts", "building", 2),  # the third stage
        ("opp_darts", "building", 2),  # the second of the compared clones
        ("darts_pt", "reading", 5),  # in the middle of a decision
    ],
)
def test_killed_in_a_change_of_stage(
    tmp_path: Path, differences: Callable[[Any, Any], list[str]], method: str, doing: str, fatal: int
) -> None:
    trial = trial_of(method)
    arguments = [str(tmp_path / "killed"), json.dumps(trial.to_json()), doing, str(fatal)]
    died = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True, text=True, check=False)
    assert died.returncode == -signal.SIGKILL, died.stderr
    record = SearchRecord.read(tmp_path / "killed")
    assert record is not None
    assert 0 < record.epoch < trial.epochs

    record, state = finish(trial, tmp_path / "killed")
    expected_record, expected = finish(trial, tmp_path / "undisturbed")
    assert record.resumes == 1
    assert [row.epoch for row in record.rows] == list(range(1, trial.epochs + 1))
    assert (record.genotype, record.mixing) == (expected_record.genotype, expected_record.mixing)
    assert not differences(state, expected)
