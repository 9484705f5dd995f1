"""A real full disk: earlier files are intact, and work continues once space is freed."""

from __future__ import annotations

import errno
import json
import logging
import re
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from aca_ray.channels.scores import ChannelScores, EdgeScores
from aca_ray.config import SearchTrial
from aca_ray.errors import StorageError
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.storage import CheckpointFolder, read_checkpoint, read_json, write_json
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.resumable import ResumableTrial
from aca_ray.trials.searching import open_search

TRIAL = SearchTrial(
    method="darts",
    skip="searched",
    space="darts",
    seed=0,
    epochs=2,
    data={"name": "digits", "max_train_images": 32, "max_test_images": 8},
    network={"channels": 1, "cells": 3},
    batch_size=16,
)
ADVICE = "No space left on device.*Free some space.*resume"


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a trial on a disk that was never full."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    finish(open_trial(folder))
    return folder


def test_the_previous_checkpoint_is_intact(small_disk: Callable[[str], Path]) -> None:
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
    folder.write(2, 0, {}, {"weights": torch.zeros(100_000)})  # a checkpoint that fits is written


def test_the_previous_record_is_intact(small_disk: Callable[[str], Path]) -> None:
    disk = small_disk("1m")
    path = write_json(disk / "record.json", {"epoch": 1})
    fill(disk)
    with pytest.raises(StorageError, match=ADVICE):
        write_json(path, {"epoch": 2, "rows": ["x" * 5000]})
    assert read_json(path) == {"epoch": 1}


def test_a_parquet_file_that_does_not_fit(small_disk: Callable[[str], Path]) -> None:
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


def test_a_trial_waits_until_space_is_freed(
    small_disk: Callable[[str], Path], uninterrupted: Path, caplog: pytest.LogCaptureFixture
) -> None:
    disk = small_disk("16m")
    folder = disk / "trial"
    trial = open_trial(folder)
    trial.advance()
    fill(disk)
    freeing = threading.Timer(1.5, (disk / "filler").unlink)
    freeing.start()
    start = time.monotonic()
    with caplog.at_level(logging.WARNING):
        finish(trial)
    assert time.monotonic() - start > 1.5
    (warning,) = [record.getMessage() for record in caplog.records]
    assert re.search(rf"\b120\b.*{disk}.*{ADVICE}", warning)
    check_end(folder, uninterrupted, resumes=0)
    assert trial.record.checkpointing is not None
    assert trial.record.checkpointing.saving_seconds < 1.5  # the cost of a checkpoint does not include the waiting


def test_a_trial_fails_and_resumes_after_space_is_freed(small_disk: Callable[[str], Path], uninterrupted: Path) -> None:
    disk = small_disk("16m")
    folder = disk / "trial"
    trial = open_trial(folder)
    trial.advance()
    fill(disk, leave=32_768)  # room for a record, not for a checkpoint
    trial.patience_seconds = 2.0
    start = time.monotonic()
    with pytest.raises(StorageError, match=ADVICE) as caught:
        finish(trial)
    assert 2.0 <= time.monotonic() - start < 10.0
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    trial.fail("traceback of the StorageError")
    record = TrialRecord.read(folder)
    assert record is not None
    assert (record.state, record.error) == ("failed", "traceback of the StorageError")
    # Epochs that could not be saved are not in the record, since they will be repeated.
    assert record.epoch == 1
    assert [row.epoch for row in record.rows] == [1]
    assert [path.name for path in (folder / "milestones").iterdir()] == [
        TrialFolder(folder).milestone(epoch).name for epoch in record.milestones
    ]
    (disk / "filler").unlink()
    resumed = open_trial(folder)
    assert resumed.record.epoch == 1
    finish(resumed)
    check_end(folder, uninterrupted, resumes=1)


WAITS = """
import json, logging, sys, torch
from pathlib import Path
from aca_ray.config import SearchTrial
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import open_search

torch.set_num_threads(1)
logging.basicConfig(stream=sys.stdout)
folder = Path(sys.argv[1])
search = SearchTrial.from_json(json.loads(sys.argv[2]))
trial = open_search(search, folder, DataRef(search.data, folder), torch.device("cpu"))
trial.advance()
print("saved", flush=True)
input()
trial.advance()
"""


@pytest.mark.slow
def test_killed_while_it_waits(
    small_disk: Callable[[str], Path], start_python: Callable[..., subprocess.Popen[str]], uninterrupted: Path
) -> None:
    disk = small_disk("16m")
    folder = disk / "trial"
    process = start_python(WAITS, folder, json.dumps(TRIAL.to_json()))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "saved\n"
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    fill(disk)
    process.stdin.write("\n")
    process.stdin.flush()
    warning = process.stdout.readline()
    assert "120" in warning
    assert str(disk) in warning
    process.kill()
    process.wait()
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before
    (disk / "filler").unlink()
    resumed = open_trial(folder)
    finish(resumed)
    check_end(folder, uninterrupted, resumes=1)


def fill(disk: Path, leave: int = 0) -> None:
    """Write a file that fills the disk except for about `leave` bytes."""
    path = disk / "filler"
    with open(path, "wb", buffering=0) as stream:
        try:
            while True:
                stream.write(b"\0" * 4096)
        except OSError:
            pass
        stream.truncate(path.stat().st_size - leave)


def open_trial(folder: Path) -> ResumableTrial:
    return open_search(TRIAL, folder, DataRef(TRIAL.data, folder), torch.device("cpu"))


def finish(trial: ResumableTrial) -> None:
    while trial.record.state != "finished":
        trial.advance()


def check_end(folder: Path, uninterrupted: Path, resumes: int) -> None:
    """Assert that a trial ended with the same bits as the uninterrupted one."""
    record, expected_record = TrialRecord.read(folder), TrialRecord.read(uninterrupted)
    assert record is not None
    assert expected_record is not None
    assert (record.state, record.error, record.resumes) == ("finished", None, resumes)
    assert [row.epoch for row in record.rows] == [1, 2]
    assert record.mixing == expected_record.mixing
    _, expected = read_checkpoint(TrialFolder(uninterrupted).milestone(2))
    _, found = read_checkpoint(TrialFolder(folder).milestone(2))
    for name, tensor in expected["work"]["network"].items():
        assert torch.equal(found["work"]["network"][name], tensor), name
