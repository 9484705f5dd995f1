"""The record of a trial: it reads back equal, and invalid files are refused."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path

import pytest

from aca_ray.errors import MalformedFileError, StorageError
from aca_ray.records import TrialRecord
from aca_ray.records.types import RecordJson

RECORD = TrialRecord(
    kind="evaluation",
    fingerprint="c" * 64,
    trial={"method": "darts", "data": {"name": "digits"}, "epochs": 2},
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


def test_a_new_record(tmp_path: Path) -> None:
    fresh = TrialRecord(kind="search", fingerprint="0" * 64, trial={}, num_epochs=4)
    fresh.write(tmp_path)
    read = TrialRecord.read(tmp_path)
    assert read == fresh
    assert (fresh.state, fresh.epoch, fresh.rows, fresh.milestones, fresh.resumes) == ("running", 0, [], [], 0)
    assert fresh.rows is not TrialRecord(kind="search", fingerprint="0" * 64, trial={}, num_epochs=4).rows


def test_a_record_without_checkpointing(tmp_path: Path) -> None:
    value = RECORD.to_json()
    del value["checkpointing"]
    (tmp_path / "record.json").write_text(json.dumps(value))
    assert TrialRecord.read(tmp_path) == replace(RECORD, checkpointing=None)


def test_a_missing_record(tmp_path: Path) -> None:
    assert TrialRecord.read(tmp_path) is None
    assert TrialRecord.read(tmp_path / "no folder") is None


def changed(**changes: object) -> dict[str, object]:
    return {**RECORD.to_json(), **changes}


@pytest.mark.parametrize("value", [[], None, "text"])
def test_another_type_than_an_object(tmp_path: Path, value: object) -> None:
    (tmp_path / "record.json").write_text(json.dumps(value))
    with pytest.raises(MalformedFileError, match=r"record\.json: .*JSON object"):
        TrialRecord.read(tmp_path)


@pytest.mark.parametrize("value", [{}, changed(schema="aca_ray.genotype"), changed(version=2), changed(version="1")])
def test_another_schema_or_version(tmp_path: Path, value: object) -> None:
    (tmp_path / "record.json").write_text(json.dumps(value))
    with pytest.raises(MalformedFileError, match=r"record\.json: .*version 1, found .*version.*move the file away"):
        TrialRecord.read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"additional": 1}, ["additional"]),
        ({"kind": "both"}, ["kind"]),
        ({"fingerprint": "../../etc"}, ["fingerprint"]),
        ({"num_epochs": 0}, ["num_epochs"]),
        ({"num_epochs": 2.5, "epoch": -1}, ["num_epochs", "epoch"]),
        ({"epoch": True}, ["epoch"]),
        ({"epoch": 10**400}, ["epoch"]),
        ({"state": "paused"}, ["state"]),
        ({"rows": 3}, ["rows"]),
        ({"rows": [{"epoch": 1, "time_ms": 0}]}, ["rows[0].metrics"]),
        ({"rows": [{"epoch": "1", "time_ms": 0, "metrics": {}}]}, ["rows[0].epoch"]),
        ({"rows": [{"epoch": 1, "time_ms": 0, "metrics": {"test/loss": "low"}}]}, ["rows[0].metrics.'test/loss'"]),
        ({"rows": [{"epoch": 1, "time_ms": 0, "metrics": {"loss": 10**400}}]}, ["rows[0].metrics.loss"]),
        ({"milestones": [1.0]}, ["milestones[0]"]),
        ({"genotype": {"normal": {"edges": [["skip_connect", 0]]}}}, ["genotype.normal.edges[0][2]"]),
        ({"genotype": {"normal": {"concat": [10**9]}}}, ["genotype.normal.concat[0]"]),
        ({"alphas": {"normal": [["much"]]}}, ["alphas.normal[0][0]"]),
        ({"result": {"parameters": "many"}}, ["result.parameters"]),
        ({"error": 7}, ["error"]),
        ({"device": "x" * (1 << 20 | 1)}, ["device"]),
        ({"seconds": 1e300}, ["seconds"]),
        ({"packed": {"searches": 0, "passes": 1, "computed": 1}}, ["packed.searches"]),
        ({"checkpointing": {"num_saves": "2", "waits": 1}}, ["checkpointing.num_saves", "checkpointing.waits"]),
        (
            {"result": {"regret": -0.1, "rank": 0, "table": {"architectures": 1, "best": 1.5, "all_skips": None}}},
            ["result.regret", "result.rank", "result.table.best"],
        ),
        ({"data_info": {"height": "tall"}}, ["data_info.height"]),
        ({"environment": ["torch"]}, ["environment"]),
        ({"trial": {"seed": None, "epochs": 0}}, ["trial.seed", "trial.epochs"]),
        ({"trial": {"control": 3, "table": {"name": 4}}}, ["trial.control", "trial.table.name"]),
    ],
)
def test_every_wrong_value_is_named(tmp_path: Path, changes: dict[str, object], places: list[str]) -> None:
    (tmp_path / "record.json").write_text(json.dumps(changed(**changes)))
    with pytest.raises(MalformedFileError) as caught:
        TrialRecord.read(tmp_path)
    assert len(caught.value.problems) == len(places)
    for problem, place in zip(caught.value.problems, places, strict=True):
        assert problem.startswith(f"{tmp_path / 'record.json'}: {place} ")
        assert len(problem) < 400


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"schema": "aca_ray.record", "version": 1, "kind": "search"}')
    with pytest.raises(MalformedFileError) as caught:
        TrialRecord.read(tmp_path)
    for problem, name in zip(caught.value.problems, ["fingerprint", "trial", "num_epochs"], strict=True):
        assert problem.startswith(f"{tmp_path / 'record.json'}: {name} ")


def test_the_types_cover_every_field() -> None:
    assert set(RecordJson.__annotations__) == {field.name for field in fields(TrialRecord)}


def test_a_name_that_is_not_utf_8_does_not_make_the_record_unreadable(tmp_path: Path) -> None:
    lone = b"data/\xff.parquet".decode("utf-8", "surrogateescape")
    replace(RECORD, error=lone, data_info={"source": "é \N{GRINNING FACE} \\udc80"}).write(tmp_path)
    read = TrialRecord.read(tmp_path)
    assert read is not None
    assert read.error == "data/\ufffd.parquet"
    assert read.data_info == {"source": "é \N{GRINNING FACE} \\udc80"}


def test_truncated(tmp_path: Path) -> None:
    RECORD.write(tmp_path)
    path = tmp_path / "record.json"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StorageError, match=r"record\.json: .*JSON"):
        TrialRecord.read(tmp_path)
