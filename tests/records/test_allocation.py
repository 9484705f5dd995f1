"""The summary of an allocation: it reads back equal, and invalid files are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from aca_ray.errors import MalformedFileError
from aca_ray.records import Agreement, AllocationFolder, AllocationSummary, PlanSummary, Question
from aca_ray.space import PUBLISHED, stage_cell_type
from aca_ray.space.topology import NUM_STAGES

GENOTYPE = PUBLISHED["DARTS_V2"]
PLAN = PlanSummary(0.5, ((0.25, 0.75) * 4,) * 5, 1000, 2000)
SUMMARY = AllocationSummary(
    question=Question("a" * 64, 2, "taylor", "sign", {"channels": 8, "cells": 5}),
    epoch=2,
    ranking="taylor",
    genotype=GENOTYPE,
    plans={"sign": PLAN},
    agreement=Agreement(1, 0.5, None),
    decided_share=None,
    seconds=1.5,
)


def test_round_trip(tmp_path: Path) -> None:
    folder = AllocationFolder(tmp_path / "taylor")
    SUMMARY.write(folder)
    assert [path.name for path in folder.path.iterdir()] == ["allocation.json"]
    assert AllocationSummary.read(folder) == SUMMARY


def test_kept_edges_follow_the_genotype_stage_by_stage() -> None:
    edges = list(SUMMARY.kept_edges("sign"))
    assert len(edges) == NUM_STAGES * 8
    for stage in range(NUM_STAGES):
        own = [(edge, share) for at, edge, share in edges if at == stage]
        assert [edge for edge, _ in own] == list(GENOTYPE.cell(stage_cell_type(stage)).edges)
        assert [share for _, share in own] == [0.25, 0.75] * 4


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"epoch": 0}, "epoch"),
        ({"genotype": {}}, "genotype"),
        ({"plans": {"sign": {**vars(PLAN), "kept_share": [[2.0]]}}}, "plans.sign.kept_share[0][0]"),
        ({"plans": {"sign": {**vars(PLAN), "kept_share": [[1.0]]}}}, "plans.sign.kept_share"),
        ({"agreement": {"previous_epoch": 1}}, "agreement.kendall_tau"),
        ({"question": None}, "question"),
        ({"plans": []}, "plans"),
        ({"plans": {"sign": []}}, "plans.sign"),
        ({"additional": 1}, "additional"),
    ],
)
def test_wrong_values_are_named(tmp_path: Path, changes: dict[str, Any], place: str) -> None:
    folder = AllocationFolder(tmp_path)
    folder.summary.write_text(json.dumps({**SUMMARY.to_json(), **changes}))
    with pytest.raises(MalformedFileError) as caught:
        AllocationSummary.read(folder)
    assert caught.value.problems[0].startswith(f"{folder.summary}: {place} ")
    assert caught.value.problems[0].endswith("ranked again from the milestone's checkpoint")


@pytest.mark.parametrize(("text", "rule"), [("[]", "must be an object, found []"), ('{"epoch": ', "is not valid JSON")])
def test_files_without_a_json_object(tmp_path: Path, text: str, rule: str) -> None:
    folder = AllocationFolder(tmp_path)
    folder.summary.write_text(text)
    with pytest.raises(MalformedFileError) as caught:
        AllocationSummary.read(folder)
    (problem,) = caught.value.problems
    assert problem.startswith(f"{folder.summary}: {rule}")
