"""A disk that is really full: nothing written before is lost, and freeing space is all that is needed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from aca_ray.channels.scores import ChannelScores, EdgeScores
from aca_ray.config import SearchTrial
from aca_ray.errors import StorageError
from aca_ray.pipeline.layout import milestone_path
from aca_ray.pipeline.resumable import ResumableTrial
from aca_ray.pipeline.searching import open_search
from aca_ray.storage import CheckpointFolder, TrialRecord, read_checkpoint, read_json, write_json

TRIAL = SearchTrial(
    method="darts",
    skip="searched",
    space="darts",
    seed=0,
    epochs=2,
    data={"name": "digits", "max_train_images": 32, "max_test_images": 8},
    network={"channels": 1, "cells": 3},
    batch_size=16,
    milestones=(1, 2),
)
ADVICE = "No space left on device.*Free some space and resume"


def test_checkpoint_before_is_intact(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("1m")
    folder = CheckpointFolder(disk / "checkpoints", "f" * 64)
    first = folder.write(1, 0, {}, {"weights": torch.full((100_000,), 1.5)})  # 400 kB
    with pytest.raises(StorageError, match=ADVICE):
        folder.write(2, 0, {}, {"weights": torch.zeros(200_000)})  # 800 kB more do not fit
    assert list(first.parent.iterdir()) == [first]
    found = folder.newest()
    assert found is not None
    header, state = found
    assert header["epoch"] == 1
    assert torch.equal(state["weights"], torch.full((100_000,), 1.5))
    folder.write(2, 0, {}, {"weights": torch.zeros(100_000)})  # what fits is written as ever


def test_record_before_is_intact(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("1m")
    path = write_json(disk / "record.json", {"epoch": 1})
    fill(disk)
    with pytest.raises(StorageError, match=ADVICE):
        write_json(path, {"epoch": 2, "rows": ["x" * 5000]})
    assert read_json(path) == {"epoch": 1}


def test_parquet_that_does_not_fit(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("1m")
    fill(disk)
    generator = torch.Generator().manual_seed(0)
    edge = EdgeScores(
        cell=0,
        stage=0,
        genotype_edge=0,
        operation="sep_conv_3x3",
        source=0,
        target=2,
        strength=0.5,
        scores=tuple(torch.rand(2000, generator=generator).tolist()),
        standard_errors=None,
    )
    with pytest.raises(StorageError, match=ADVICE):
        ChannelScores("taylor", (edge,)).write_parquet(disk / "scores.parquet")
    assert [path.name for path in disk.iterdir()] == ["filler"]


def test_trial_fails_and_resumes_after_space_is_freed(small_disk: Callable[[str], Path], tmp_path: Path) -> None:
    uninterrupted = open_trial(tmp_path / "uninterrupted")
    finish(uninterrupted)
    disk = small_disk("16m")
    folder = disk / "trial"
    trial = open_trial(folder)
    trial.advance()
    fill(disk, leave=16_384)  # room for a record, not for a checkpoint
    with pytest.raises(StorageError, match=ADVICE):
        trial.advance()
    trial.fail("traceback of the StorageError")
    record = TrialRecord.read(folder)
    assert record is not None
    assert (record.state, record.error) == ("failed", "traceback of the StorageError")
    # What could not be saved is not told of, for it will be done again.
    assert record.epoch == 1
    assert [row["epoch"] for row in record.rows] == [1]
    assert [path.name for path in (folder / "milestones").iterdir()] == [
        milestone_path(folder, epoch).name for epoch in record.milestones
    ]
    (disk / "filler").unlink()
    resumed = open_trial(folder)
    assert resumed.record.epoch == 1
    finish(resumed)
    record = TrialRecord.read(folder)
    assert record is not None
    assert (record.state, record.error, record.resumes) == ("finished", None, 1)
    assert [row["epoch"] for row in record.rows] == [1, 2]
    expected_record = TrialRecord.read(uninterrupted.folder)
    assert expected_record is not None
    assert record.alphas == expected_record.alphas
    _, expected = read_checkpoint(milestone_path(uninterrupted.folder, 2))
    _, found = read_checkpoint(milestone_path(folder, 2))
    for name, tensor in expected["work"]["network"].items():
        assert torch.equal(found["work"]["network"][name], tensor), name


def fill(disk: Path, leave: int = 0) -> None:
    """Write a file that takes all the space but about so many bytes."""
    path = disk / "filler"
    with open(path, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"\0" * 4096)
        except OSError:
            pass
        stream.truncate(path.stat().st_size - leave)


def open_trial(folder: Path) -> ResumableTrial:
    return open_search(TRIAL, folder, folder, torch.device("cpu"))


def finish(trial: ResumableTrial) -> None:
    while trial.record.state != "finished":
        trial.advance()
