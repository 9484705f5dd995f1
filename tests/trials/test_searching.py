"""A search in its folder: interrupted at any step, it ends with the same bits as without interruption."""

from __future__ import annotations

import logging
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from aca_ray.config import SearchTrial
from aca_ray.errors import CheckpointError
from aca_ray.records import SearchRecord, SearchResult, TrialFolder
from aca_ray.storage import read_checkpoint, write_checkpoint
from aca_ray.trials.resumable import ResumableTrial

Start = Callable[[SearchTrial, Path], ResumableTrial]
Finish = Callable[[ResumableTrial], ResumableTrial]
MakeTrial = Callable[..., SearchTrial]
Same = Callable[[Any, Any], None]


def read(folder: Path) -> SearchRecord:
    record = SearchRecord.read(folder)
    assert record is not None
    return record


def measured(record: SearchRecord) -> list[dict[str, float | None]]:
    """Return the metrics of the rows that do not depend on the clock or the machine."""
    return [
        {name: value for name, value in row.metrics.items() if not name.startswith(("time/", "memory/", "system/"))}
        for row in record.rows
    ]


def rolling(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("*"))


def check_end(folder: Path, searched: Path, same: Same, resumes: int) -> None:
    """Assert that a search ended like the uninterrupted one."""
    record, expected = read(folder), read(searched)
    assert (record.state, record.epoch, record.resumes, record.error) == ("finished", 2, resumes, None)
    assert [row.epoch for row in record.rows] == [1, 2]
    assert record.milestones == (1, 2)
    assert measured(record) == measured(expected)
    assert [row.architecture for row in record.rows] == [row.architecture for row in expected.rows]
    assert record.genotype == expected.genotype
    assert record.mixing == expected.mixing
    assert record.result == expected.result
    for epoch in (1, 2):
        _, found = read_checkpoint(TrialFolder(folder).milestone(epoch))
        _, state = read_checkpoint(TrialFolder(searched).milestone(epoch))
        same(found["work"], state["work"])
        same(found["random"], state["random"])
    assert rolling(folder) == []


def test_record_of_a_search(searched: Path, make_trial: MakeTrial) -> None:
    record = read(searched)
    assert record.kind == "search"
    assert (record.state, record.epoch, record.num_epochs, record.resumes) == ("finished", 2, 2, 0)
    assert record.trial == make_trial()
    assert record.fingerprint == make_trial().fingerprint
    assert record.milestones == (1, 2)
    assert [row.epoch for row in record.rows] == [1, 2]
    assert record.rows[0].time_ms <= record.rows[1].time_ms
    assert record.seconds == pytest.approx(sum(row.seconds for row in record.rows))
    assert set(record.rows[0].metrics) == {
        *("search_train/loss", "search_train/accuracy", "search_valid/loss", "search_valid/accuracy"),
        *("lr/weights", "lr/architecture", "arch/entropy", "arch/skip_count", "arch/parametric_count"),
        *("time/epoch_seconds", "time/images_per_second", "memory/peak_bytes"),
        *("system/system_memory_usage_megabytes", "system/system_memory_usage_percentage"),
        *("system/cpu_utilization_percentage", "system/process_cpu_utilization_percentage"),
    }
    assert record.genotype is not None
    assert record.genotype.num_skips == 0  # skips are allocated later
    assert record.result == SearchResult(num_skips=0, num_parametric=record.genotype.num_parametric)
    assert record.data_info is not None
    assert (record.data_info.name, record.data_info.num_images) == ("digits", 64)
    assert record.environment is not None
    assert record.environment["device"]
    assert record.environment["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert not list(searched.rglob("*.part-*"))


def test_record_has_the_mixing_weights_of_the_last_milestone(searched: Path) -> None:
    record = read(searched)
    assert record.mixing is not None
    _, state = read_checkpoint(TrialFolder(searched).milestone(2))
    architecture = list(state["work"]["architecture"].values())
    for cell_type, logits in zip(("normal", "reduce"), architecture, strict=True):
        names = record.mixing.candidates[cell_type]
        weights = torch.tensor(getattr(record.mixing, cell_type))
        assert weights.shape == (len(names), len(names[0])) == logits.shape
        assert "skip_connect" not in names[0]
        assert torch.equal(weights, torch.softmax(logits, dim=1))
        assert not torch.equal(weights[0], weights[0].flip(0))  # it has learned something


def test_rows_have_the_architecture_of_their_epoch(searched: Path) -> None:
    record = read(searched)
    assert record.mixing is not None
    first, last = (row.architecture for row in record.rows)
    assert first is not None
    assert last is not None
    assert first.candidates == record.mixing.candidates
    assert last.candidates is None  # they have not changed
    assert last.genotype == record.genotype
    assert first.mixing != last.mixing
    for cell_type, weights in last.mixing.items():
        torch.testing.assert_close(
            torch.tensor(weights), torch.tensor(getattr(record.mixing, cell_type)), atol=5e-5, rtol=0
        )


def test_a_finished_milestone_is_recorded(tmp_path: Path, make_trial: MakeTrial, start: Start) -> None:
    folder = tmp_path / "trial"
    trial = start(make_trial(), folder)
    record = read(folder)
    assert (record.state, record.epoch, record.rows, record.milestones) == ("running", 0, (), ())
    assert trial.advance(0.0) is None  # one step of two
    assert read(folder).epoch == 0
    report = trial.advance(0.0)
    assert report is not None
    record = read(folder)
    assert (record.state, record.epoch, record.milestones) == ("running", 1, (1,))
    assert {**record.rows[0].metrics, **report.metrics} == record.rows[0].metrics
    header, _ = read_checkpoint(TrialFolder(folder).milestone(1))
    assert (header["kind"], header["epoch"], header["step"]) == ("search", 1, 0)
    assert SearchRecord.from_json(header["record"], folder).rows == record.rows
    assert rolling(folder) == []  # the milestone is the checkpoint


@pytest.mark.parametrize("damaged", [False, True])
def test_a_milestone_that_is_the_newest_checkpoint_is_resumed(
    tmp_path: Path,
    searched: Path,
    make_trial: MakeTrial,
    start: Start,
    finish: Finish,
    assert_equal_states: Same,
    damaged: bool,
) -> None:
    folder = tmp_path / "trial"
    trial = start(make_trial(), folder)
    trial.advance(0.0)
    trial.save()
    trial.advance(0.0)
    if damaged:
        path = TrialFolder(folder).milestone(1)
        path.write_bytes(path.read_bytes()[:-100])
    resumed = start(make_trial(), folder)
    assert resumed.record.milestones == (() if damaged else (1,))
    finish(resumed)
    check_end(folder, searched, assert_equal_states, resumes=1)


@pytest.mark.parametrize("num_steps", [2, 3], ids=["after epoch 1", "within epoch 2"])
def test_resuming_is_bit_for_bit(
    tmp_path: Path,
    searched: Path,
    make_trial: MakeTrial,
    start: Start,
    finish: Finish,
    assert_equal_states: Same,
    num_steps: int,
) -> None:
    folder = tmp_path / "trial"
    trial = start(make_trial(), folder)
    for _ in range(num_steps):
        trial.advance(0.0)
    trial.save()
    del trial
    torch.manual_seed(12345)  # another process would not have the random state of this one
    resumed = start(make_trial(), folder)
    assert (resumed.record.epoch, resumed.record.state) == (num_steps // 2, "running")
    assert read(folder).resumes == 1
    finish(resumed)
    check_end(folder, searched, assert_equal_states, resumes=1)


def test_resuming_restores_the_global_random_states(tmp_path: Path, make_trial: MakeTrial, start: Start) -> None:
    folder = tmp_path / "trial"
    trial = start(make_trial(), folder)
    trial.advance(0.0)
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    trial.save()
    expected = random.random(), np.random.rand(), float(torch.rand(()))
    start(make_trial(), folder)
    assert (random.random(), np.random.rand(), float(torch.rand(()))) == expected


@pytest.mark.slow
@pytest.mark.parametrize("damage", ["deleted", "truncated", "all deleted"])
def test_damaged_checkpoints(
    tmp_path: Path,
    searched: Path,
    make_trial: MakeTrial,
    start: Start,
    assert_equal_states: Same,
    caplog: pytest.LogCaptureFixture,
    damage: str,
) -> None:
    folder = tmp_path / "trial"
    trial = start(make_trial(), folder)
    for _ in range(3):
        trial.advance(0.0)
        trial.save()
    before, newest = rolling(folder)
    assert (before.name, newest.name) == ("epoch_00001_step_0000000.ckpt", "epoch_00001_step_0000001.ckpt")
    if damage == "truncated":
        newest.write_bytes(newest.read_bytes()[:-1000])
    else:
        newest.unlink()
    if damage == "all deleted":  # the milestone of epoch 1 is still there
        before.unlink()
    with caplog.at_level(logging.WARNING):
        resumed = start(make_trial(), folder)
    assert bool(caplog.records) == (damage == "truncated")
    record = read(folder)
    assert (record.epoch, record.milestones, record.resumes) == (1, (1,), 1)
    assert measured(record) == measured(read(searched))[:1]
    resumed.save()  # in exactly the state of the uninterrupted one after epoch 1
    _, found = read_checkpoint(before)
    _, expected = read_checkpoint(TrialFolder(searched).milestone(1))
    assert_equal_states(found["work"], expected["work"])
    assert_equal_states(found["random"], expected["random"])


def test_without_checkpoints_a_search_starts_again(tmp_path: Path, make_trial: MakeTrial, start: Start) -> None:
    folder = tmp_path / "trial"
    start(make_trial(), folder).advance()
    for path in [*rolling(folder), TrialFolder(folder).milestone(1)]:
        path.unlink()
    start(make_trial(), folder)
    record = read(folder)
    assert (record.epoch, record.rows, record.milestones, record.resumes) == (0, (), (), 0)


def test_a_finished_search_is_not_repeated(
    tmp_path: Path, searched: Path, make_trial: MakeTrial, start: Start, assert_equal_states: Same
) -> None:
    """As after a kill between writing the final record and reporting it."""
    folder = tmp_path / "trial"
    shutil.copytree(searched, folder)
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.*")}
    trial = start(make_trial(), folder)
    assert trial.finished
    assert trial.advance() is None
    assert {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*.*")} == before
    check_end(folder, searched, assert_equal_states, resumes=0)


def test_killed_before_the_final_record(
    tmp_path: Path, searched: Path, make_trial: MakeTrial, start: Start, assert_equal_states: Same
) -> None:
    folder = tmp_path / "trial"
    shutil.copytree(searched, folder)
    header, state = read_checkpoint(TrialFolder(folder).milestone(2))
    write_checkpoint(folder / "checkpoints" / "epoch_00002_step_0000000.ckpt", header, state)
    SearchRecord.from_json(header["record"], folder).write(folder)
    assert read(folder).state == "running"
    trial = start(make_trial(), folder)
    assert trial.advance() is None  # no epochs left
    assert trial.finished
    check_end(folder, searched, assert_equal_states, resumes=1)


@pytest.mark.parametrize("left", ["record", "rolling checkpoint", "milestones"])
def test_the_folder_of_another_trial_is_refused(
    tmp_path: Path, searched: Path, make_trial: MakeTrial, start: Start, left: str
) -> None:
    folder, other = tmp_path / "trial", make_trial(seed=1)
    shutil.copytree(searched, folder)
    if left != "record":
        (folder / "record.json").unlink()
    if left == "rolling checkpoint":
        (folder / "checkpoints").mkdir()
        TrialFolder(folder).milestone(2).rename(folder / "checkpoints" / "epoch_00002_step_0000000.ckpt")
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    with pytest.raises(CheckpointError, match=f"^{folder}.*: .*Move it away and resume") as caught:
        start(other, folder)
    assert make_trial().fingerprint in str(caught.value)
    assert other.fingerprint in str(caught.value)
    assert {path: path.read_bytes() for path in folder.rglob("*.*")} == before


def test_a_failure_stays_in_the_record_until_the_trial_resumes(
    tmp_path: Path, make_trial: MakeTrial, start: Start
) -> None:
    folder = tmp_path / "trial"
    trial = start(make_trial(), folder)
    trial.advance()
    trial.fail("Traceback\nTrialError: diverged")
    record = read(folder)
    assert (record.state, record.error, record.epoch) == ("failed", "Traceback\nTrialError: diverged", 1)
    start(make_trial(), folder)
    record = read(folder)
    assert (record.state, record.error, record.resumes) == ("running", None, 1)


def test_another_seed_gives_another_search(tmp_path: Path, searched: Path, make_trial: MakeTrial, start: Start) -> None:
    trial = start(make_trial(seed=1), tmp_path / "trial")
    trial.advance()
    assert measured(trial.record)[0] != measured(read(searched))[0]
