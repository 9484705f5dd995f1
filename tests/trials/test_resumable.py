"""Records and checkpoints of a trial whose epochs are much shorter than writing a checkpoint."""

from __future__ import annotations

import errno
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.config import SearchTrial
from aca_ray.errors import TrialError
from aca_ray.records import DataFacts, Row, SearchRecord, SearchResult, SearchRow, TrialFolder, TrialRecord
from aca_ray.space import PUBLISHED
from aca_ray.storage import CheckpointFolder, read_checkpoint, read_header
from aca_ray.trials.new_record import new_search
from aca_ray.trials.resumable import ResumableTrial

NUM_EPOCHS, MILESTONES = 40, (25, 40)


class Draws:
    """Adds up a random number per step, two steps an epoch; may diverge in an epoch."""

    device = torch.device("cpu")
    images_per_epoch = 2

    def __init__(self, diverges_in: int | None = None) -> None:
        torch.manual_seed(0)
        self.total, self.diverges_in = torch.zeros(()), diverges_in

    def is_over(self, epoch: int, step: int) -> bool:
        return step == 2

    def begin_epoch(self, epoch: int) -> None:
        pass

    def step(self, epoch: int, index: int) -> None:
        self.total = self.total + torch.rand(())

    def end_epoch(self, epoch: int) -> dict[str, float]:
        return {"total": float("nan") if epoch + 1 == self.diverges_in else self.total.item()}

    def state_dict(self) -> dict[str, Any]:
        return {"total": self.total}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.total = state["total"]


Start = Callable[..., ResumableTrial[SearchRecord]]
TRIAL = SearchTrial("darts", "searched", "darts", 0, NUM_EPOCHS, {"name": "digits"}, {"channels": 4, "cells": 3}, None)


def extend(record: SearchRecord, row: Row) -> SearchRecord:
    rows = (*record.rows, SearchRow(row.epoch, row.time_ms, row.metrics))
    return replace(record, rows=rows, genotype=PUBLISHED["DARTS_V2"])


@pytest.fixture
def start(data_facts: DataFacts) -> Start:
    def begin(folder: Path, diverges_in: int | None = None) -> ResumableTrial[SearchRecord]:
        record, work = replace(new_search(TRIAL), data_info=data_facts), Draws(diverges_in)
        return ResumableTrial(
            folder, record, work, milestones=MILESTONES, extend=extend, result=lambda _: SearchResult(5, 11)
        )

    return begin


def finish(trial: ResumableTrial) -> None:
    while not trial.finished:
        trial.advance()


def read(folder: Path) -> TrialRecord:
    record = TrialRecord.read(folder)
    assert record is not None
    return record


def test_a_trial_is_finished_even_if_its_checkpoints_cannot_be_deleted(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(folder: CheckpointFolder) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(CheckpointFolder, "clear", refuse)
    finish(start(tmp_path))
    assert read(tmp_path).state == "finished"
    assert any("its rolling checkpoints are left" in record.message for record in caplog.records)


def newest_header(folder: Path) -> dict[str, Any]:
    headers = [read_header(path) for path in folder.glob("*/*.ckpt")]
    return max(headers, key=lambda header: (header["epoch"], header["step"]))


def held_record(folder: Path) -> SearchRecord:
    return SearchRecord.from_json(newest_header(folder)["record"], folder)


def test_the_record_describes_the_newest_checkpoint(tmp_path: Path, start: Start) -> None:
    trial = start(tmp_path)
    recorded = []
    while not trial.finished:
        trial.advance()
        record, held = read(tmp_path), held_record(tmp_path)
        assert (record.epoch, record.rows, record.milestones) == (held.epoch, held.rows, held.milestones)
        recorded.append(record.epoch)
    assert recorded[0] == 1  # the first epoch is saved, to measure the cost
    assert recorded[1:24] != list(range(2, 25))  # later epochs are not all saved
    assert recorded[24] == 25
    assert recorded[39] == 40
    assert trial.record.checkpointing is not None
    cadence = trial.record.checkpointing
    assert 3 <= cadence.num_saves < NUM_EPOCHS
    assert 0 < cadence.training_seconds <= read(tmp_path).seconds
    assert read(tmp_path) == trial.record


@pytest.mark.parametrize("killed_after", [1, 2, 24, 25, 30])
def test_recorded_rows_never_change(tmp_path: Path, start: Start, killed_after: int) -> None:
    finish(start(tmp_path / "undisturbed"))
    trial = start(tmp_path / "killed")
    for _ in range(killed_after):
        trial.advance()
    recorded = read(tmp_path / "killed").rows
    resumed = start(tmp_path / "killed")
    assert resumed.record.rows == recorded
    finish(resumed)
    rows = read(tmp_path / "killed").rows
    assert rows[: len(recorded)] == recorded  # to the millisecond
    assert [row.epoch for row in rows] == list(range(1, NUM_EPOCHS + 1))
    totals, expected = (
        [row.metrics["total"] for row in read(tmp_path / name).rows] for name in ("killed", "undisturbed")
    )
    assert totals == expected
    for epoch in MILESTONES:
        found, same = (
            read_checkpoint(TrialFolder(tmp_path / name).milestone(epoch))[1] for name in ("killed", "undisturbed")
        )
        assert torch.equal(found["work"]["total"], same["work"]["total"])
        assert torch.equal(found["random"]["torch"], same["random"]["torch"])


def test_a_resumed_trial_keeps_the_cost_of_checkpoints(tmp_path: Path, start: Start) -> None:
    trial = start(tmp_path)
    trial.advance()
    trial.save()
    resumed = start(tmp_path)
    assert resumed.record.checkpointing is not None
    before = resumed.record.checkpointing
    assert before.num_saves == 1
    resumed.advance()
    resumed.save()
    assert resumed.record.checkpointing is not None
    assert resumed.record.checkpointing.num_saves == 2


def test_saving_on_request_writes_the_record_too(tmp_path: Path, start: Start) -> None:
    trial = start(tmp_path)
    for _ in range(3):
        trial.advance()
    trial.save()
    assert read(tmp_path).epoch == newest_header(tmp_path)["epoch"] == 3


def test_the_record_of_a_diverged_trial_describes_its_last_checkpoint(tmp_path: Path, start: Start) -> None:
    trial = start(tmp_path, diverges_in=20)
    with pytest.raises(TrialError, match=r"epoch 20.*total.*nan"):
        finish(trial)
    trial.fail("traceback")
    record = read(tmp_path)
    assert (record.state, record.rows) == ("failed", held_record(tmp_path).rows)
