"""The record of a trial: read back equal, refused when it is anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from aca_ray.errors import StorageError
from aca_ray.storage import TrialRecord

RECORD = TrialRecord(
    kind="evaluation",
    fingerprint="c" * 64,
    trial={"method": "darts", "data": {"name": "digits"}, "milestones": [1, 2]},
    num_epochs=2,
    state="failed",
    epoch=1,
    rows=[
        {"epoch": 1, "time_ms": 1_790_000_000_123, "metrics": {"test/accuracy": 0.1, "test/loss": 2.302585092994046}}
    ],
    milestones=[1],
    genotype={"normal": {"edges": [["skip_connect", 0, 2]]}},
    alphas={"normal": [[0.1, 0.9]]},
    result={"test_accuracy": 0.1},
    error='Traceback\n  File "x"\nTrialError: ü',
    resumes=3,
    device="cuda",
    threads=2,
    seconds=1.25,
    checkpointing={"num_saves": 2, "saving_seconds": 0.125},
    data_info={"digest": "d" * 64},
    environment={"torch": "2.14"},
)


def test_round_trip(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "trial")
    assert [path.name for path in (tmp_path / "trial").iterdir()] == ["record.json"]
    assert TrialRecord.read(tmp_path / "trial") == RECORD


def test_a_fresh_record(tmp_path: Path) -> None:
    fresh = TrialRecord(kind="search", fingerprint="0" * 64, trial={}, num_epochs=4)
    fresh.write(tmp_path)
    read = TrialRecord.read(tmp_path)
    assert read == fresh
    assert (fresh.state, fresh.epoch, fresh.rows, fresh.milestones, fresh.resumes) == ("running", 0, [], [], 0)
    assert fresh.rows is not TrialRecord(kind="search", fingerprint="0" * 64, trial={}, num_epochs=4).rows


def test_a_record_from_before_checkpoints_were_measured(tmp_path: Path) -> None:
    value = RECORD.to_json()
    del value["checkpointing"]
    (tmp_path / "record.json").write_text(json.dumps(value))
    assert TrialRecord.read(tmp_path) == replace(RECORD, checkpointing=None)


def test_no_record(tmp_path: Path) -> None:
    assert TrialRecord.read(tmp_path) is None
    assert TrialRecord.read(tmp_path / "no folder") is None


def changed(**changes: object) -> dict[str, object]:
    return {**RECORD.to_json(), **changes}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "is not a trial record of version 1"),
        (None, "is not a trial record of version 1"),
        ("text", "is not a trial record of version 1"),
        ({}, "is not a trial record of version 1"),
        (changed(schema="aca_ray.genotype"), "is not a trial record of version 1"),
        (changed(version=2), "is not a trial record of version 1"),
        (changed(additional=1), "is malformed .*additional"),
        ({"schema": "aca_ray.record", "version": 1, "kind": "search"}, "is malformed .*fingerprint"),
    ],
)
def test_malformed(tmp_path: Path, value: object, reason: str) -> None:
    (tmp_path / "record.json").write_text(json.dumps(value))
    with pytest.raises(StorageError, match=rf"record\.json: {reason}"):
        TrialRecord.read(tmp_path)


def test_truncated(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    path = tmp_path / "record.json"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StorageError, match=r"record\.json: is not valid JSON"):
        TrialRecord.read(tmp_path)
