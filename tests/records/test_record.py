"""The record of a trial: it reads back equal, and invalid files are refused."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest

from aca_ray.errors import MalformedFileError, StorageError
from aca_ray.records import (
    Architecture,
    Checkpointing,
    DataFacts,
    LookUpRecord,
    LookUpResult,
    LookUpRow,
    MixingWeights,
    Packed,
    RetrainingRecord,
    RetrainingResult,
    Row,
    SearchRecord,
    SearchResult,
    SearchRow,
    StandaloneRecord,
    TableFacts,
    TrialRecord,
)
from aca_ray.space import PUBLISHED
from aca_ray.space.trials import LookUpTrial, RetrainingTrial, SearchTrial, StandaloneTrial

SEARCH_TRIAL = SearchTrial("darts", "allocated", "darts", 0, 2, {"name": "digits"}, {"channels": 4, "cells": 3}, None)
TRIAL = RetrainingTrial.of_search(SEARCH_TRIAL, {"base": "small", "epochs": 2}, 1, "taylor", "sign", "random")
LOOK_UP_TRIAL = LookUpTrial.of_search(SEARCH_TRIAL, {"name": "nasbench201"}, None, "all")
GENOTYPE = PUBLISHED["DARTS_V2"]
RESULT = RetrainingResult(0.1, 0.2, 10, 20, 5, 11, 0.5)


@pytest.fixture(scope="module")
def record(data_facts: DataFacts) -> RetrainingRecord:
    """A retraining that failed, with a value in every field that a retraining has."""
    return RetrainingRecord(
        fingerprint="c" * 64,
        trial=TRIAL,
        num_epochs=2,
        state="failed",
        epoch=1,
        rows=(Row(1, 1_790_000_000_123, {"test/accuracy": 0.1, "test/loss": 2.302585092994046}),),
        milestones=(1,),
        genotype=GENOTYPE,
        result=RESULT,
        error='Traceback\n  File "x"\nTrialError: ü',
        resumes=3,
        device="cuda",
        threads=2,
        seconds=1.25,
        checkpointing=Checkpointing(num_saves=2, saving_seconds=0.125),
        data_info=data_facts,
        environment={"torch": "2.14", "device": "GPU A"},
        shared_with="d" * 64,
    )


@pytest.fixture(scope="module")
def searched(record: RetrainingRecord) -> SearchRecord:
    """A finished search, with a value in every field that a search has."""
    weights, names = ((0.25, 0.75),) * 14, (("none", "skip_connect"),) * 14
    candidates: Any = {"normal": names, "reduce": names}
    first = Architecture(GENOTYPE, {"normal": weights, "reduce": weights}, candidates)
    return SearchRecord(
        fingerprint="a" * 64,
        trial=replace(SEARCH_TRIAL, data_pruning="bdp", precision="bfloat16"),
        num_epochs=2,
        state="finished",
        epoch=2,
        rows=(
            SearchRow(1, 5, {"search_valid/loss": None}, first),
            SearchRow(2, 6, {}, replace(first, candidates=None)),
        ),
        genotype=GENOTYPE,
        mixing=MixingWeights(normal=weights, reduce=weights, candidates=candidates),
        result=SearchResult(5, 11),
        packed=Packed(2, 8, 4),
        data_info=record.data_info,
        environment=record.environment,
    )


def test_round_trips(tmp_path: Path, record: RetrainingRecord, searched: SearchRecord) -> None:
    table = TableFacts(15_625, 0.94, None)
    look_up = LookUpRecord(
        fingerprint="b" * 64,
        trial=LOOK_UP_TRIAL,
        num_epochs=2,
        rows=(LookUpRow(2, 0, {"test/accuracy": 0.5, "table/regret": 0.25, "table/rank": 3.0}),),
        result=LookUpResult(**vars(RESULT), regret=0.25, rank=3, table=table),
    )
    trial = StandaloneTrial(
        network="e" * 64, name="DARTS_V2", data={"name": "digits"}, protocol="small", retrain_seed=0
    )
    standalone = StandaloneRecord(fingerprint="f" * 64, trial=trial, num_epochs=2, result=RESULT)
    for index, value in enumerate((record, searched, look_up, standalone)):
        value.write(tmp_path / str(index))
        assert [path.name for path in (tmp_path / str(index)).iterdir()] == ["record.json"]
        read = TrialRecord.read(tmp_path / str(index))
        assert type(read) is type(value)
        assert read == value
        assert type(value).read(tmp_path / str(index)) == value
        assert TrialRecord.from_json(value.to_json(), tmp_path) == value


def test_records_are_frozen(record: RetrainingRecord) -> None:
    with pytest.raises(FrozenInstanceError):
        record.state = "running"  # type: ignore[misc]


def test_a_new_record(tmp_path: Path, search_begun: SearchRecord) -> None:
    search_begun.write(tmp_path)
    assert TrialRecord.read(tmp_path) == search_begun
    assert (search_begun.state, search_begun.epoch, search_begun.rows, search_begun.resumes) == ("running", 0, (), 0)
    assert (search_begun.hardware, search_begun.versions, search_begun.host) == (None, {}, None)


def test_provenance(record: RetrainingRecord) -> None:
    assert (record.hardware, record.versions) == ("GPU A", {"torch": "2.14"})
    assert replace(record, process="node1:77").host == "node1"


def test_a_missing_record(tmp_path: Path) -> None:
    assert TrialRecord.read(tmp_path) is None
    assert TrialRecord.read(tmp_path / "no folder") is None


def test_a_record_of_another_kind_is_refused(tmp_path: Path, record: RetrainingRecord) -> None:
    record.write(tmp_path)
    for kind in (SearchRecord, LookUpRecord, StandaloneRecord):
        with pytest.raises(MalformedFileError, match=rf"record\.json: .*{kind.title}, found .*{record.title}"):
            kind.read(tmp_path)


@pytest.mark.parametrize("value", [[], None, "text"])
def test_another_type_than_an_object(tmp_path: Path, value: object) -> None:
    (tmp_path / "record.json").write_text(json.dumps(value))
    with pytest.raises(MalformedFileError, match=r"record\.json: .*JSON object"):
        TrialRecord.read(tmp_path)


@pytest.mark.parametrize("changes", [None, {"schema": "aca_ray.genotype"}, {"version": 2}, {"version": "1"}])
def test_another_schema_or_version(tmp_path: Path, record: RetrainingRecord, changes: dict[str, Any] | None) -> None:
    value = {} if changes is None else {**record.to_json(), **changes}
    (tmp_path / "record.json").write_text(json.dumps(value))
    with pytest.raises(MalformedFileError, match=r"record\.json: .*version 1, found .*version.*move the file away"):
        TrialRecord.read(tmp_path)


ROW = {"epoch": 1, "time_ms": 0, "metrics": {}}


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({"additional": 1}, ["additional"]),
        ({"kind": "both"}, ["kind"]),
        ({"fingerprint": "../../etc"}, ["fingerprint"]),
        ({"shared_with": "../../etc"}, ["shared_with"]),
        ({"num_epochs": 0}, ["num_epochs"]),
        ({"num_epochs": 2.5, "epoch": -1}, ["num_epochs", "epoch"]),
        ({"epoch": True}, ["epoch"]),
        ({"epoch": 10**400}, ["epoch"]),
        ({"state": "paused"}, ["state"]),
        ({"state": "finished", "result": None}, ["result"]),
        ({"state": "finished", "data_info": None}, ["data_info"]),
        ({"rows": 3}, ["rows"]),
        ({"rows": [{"epoch": 1, "time_ms": 0}]}, ["rows[0].metrics"]),
        ({"rows": [{**ROW, "architecture": {}}]}, ["rows[0].architecture"]),
        ({"rows": [{**ROW, "epoch": "1"}]}, ["rows[0].epoch"]),
        ({"rows": [{**ROW, "metrics": {"test/loss": "low"}}]}, ["rows[0].metrics.'test/loss'"]),
        ({"rows": [{**ROW, "metrics": {"loss": 10**400}}]}, ["rows[0].metrics.loss"]),
        ({"milestones": [1.0]}, ["milestones[0]"]),
        ({"genotype": {"normal": {"edges": [["skip_connect", 0]]}}}, ["genotype"]),
        ({"mixing": {"normal": [["much"]], "candidates": {}}}, ["mixing.normal[0][0]"]),
        ({"result": {**vars(RESULT), "parameters": "many"}}, ["result.parameters"]),
        ({"error": 7}, ["error"]),
        ({"device": "x" * (1 << 20 | 1)}, ["device"]),
        ({"seconds": 1e300}, ["seconds"]),
        ({"packed": {"searches": 0, "passes": 1, "computed": 1}}, ["packed.searches"]),
        ({"checkpointing": {"num_saves": "2", "waits": 1}}, ["checkpointing.num_saves", "checkpointing.waits"]),
        ({"environment": ["torch"]}, ["environment"]),
    ],
)
def test_every_wrong_value_is_named(
    tmp_path: Path, record: RetrainingRecord, changes: dict[str, object], places: list[str]
) -> None:
    (tmp_path / "record.json").write_text(json.dumps({**record.to_json(), **changes}))
    check_problems(tmp_path, places)


@pytest.mark.parametrize(
    ("part", "changes", "places"),
    [
        ("data_info", {"height": "tall"}, ["data_info.height"]),
        ("trial", {"seed": None, "epochs": 0}, ["trial.seed", "trial.epochs"]),
        ("trial", {"control": 3}, ["trial.control"]),
        ("trial", {"data": {}}, ["trial.data"]),
    ],
)
def test_every_wrong_value_of_a_part_is_named(
    tmp_path: Path, record: RetrainingRecord, part: str, changes: dict[str, object], places: list[str]
) -> None:
    value = record.to_json()
    (tmp_path / "record.json").write_text(json.dumps({**value, part: {**value[part], **changes}}))
    check_problems(tmp_path, places)


def test_wrong_values_of_a_look_up_are_named(tmp_path: Path, record: RetrainingRecord) -> None:
    table = {"architectures": 1, "best": 1.5, "all_skips": None}
    result = {**vars(RESULT), "regret": -0.1, "rank": 0, "table": table}
    value = {**record.to_json(), "kind": "look-up", "trial": LOOK_UP_TRIAL.to_json(), "result": result}
    (tmp_path / "record.json").write_text(json.dumps(value))
    check_problems(tmp_path, ["result.regret", "result.rank", "result.table.best"])


def check_problems(folder: Path, places: list[str]) -> None:
    """Check that reading the record of a folder names these places, and no others."""
    with pytest.raises(MalformedFileError) as caught:
        TrialRecord.read(folder)
    assert len(caught.value.problems) == len(places)
    for problem, place in zip(caught.value.problems, places, strict=True):
        assert problem.startswith(f"{folder / 'record.json'}: {place} ")
        assert problem.endswith("the record is restored from the trial's checkpoint")
        assert len(problem) < 400


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text('{"schema": "aca_ray.record", "version": 1, "kind": "search"}')
    check_problems(tmp_path, ["fingerprint", "trial", "num_epochs"])


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path, record: RetrainingRecord) -> None:
    value = json.dumps(
        {**record.to_json(), "trial": {**TRIAL.to_json(), "data": {"name": "digits", "x": float("nan")}}}
    )
    (tmp_path / "record.json").write_text(value)
    with pytest.raises(MalformedFileError, match=r"record\.json: .*JSON"):
        TrialRecord.read(tmp_path)


def test_a_name_that_is_not_utf_8_does_not_make_the_record_unreadable(
    tmp_path: Path, record: RetrainingRecord, data_facts: DataFacts
) -> None:
    lone = b"data/\xff.parquet".decode("utf-8", "surrogateescape")
    source = "é \N{GRINNING FACE} \\udc80"
    replace(record, error=lone, data_info=replace(data_facts, source=source)).write(tmp_path)
    read = TrialRecord.read(tmp_path)
    assert read is not None
    assert read.error == "data/\ufffd.parquet"
    assert read.data_info is not None
    assert read.data_info.source == source


def test_truncated(tmp_path: Path, record: RetrainingRecord) -> None:
    record.write(tmp_path)
    path = tmp_path / "record.json"
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StorageError, match=r"record\.json: .*JSON"):
        TrialRecord.read(tmp_path)
