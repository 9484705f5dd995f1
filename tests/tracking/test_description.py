"""Names, tags, params and data sets of runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aca_ray.records import DataFacts, LookUpRecord, LookUpResult, RetrainingRecord, SearchRecord, TableFacts
from aca_ray.tracking.description import dataset_input, params, run_name, run_tags


def test_names(search_record: Callable[..., Any], retraining_record: Callable[..., Any]) -> None:
    assert run_name(search_record(seed=3)) == "pc_darts allocated darts digits seed 3 e8"
    assert (
        run_name(retraining_record(retrain_seed=1))
        == "pc_darts allocated darts digits seed 0 e8 retrain ablation sign r1"
    )
    assert run_name(retraining_record(allocation=None)) == "pc_darts allocated darts digits seed 0 e8 retrain r0"


def test_groups_join_everything_except_the_seeds(
    search_record: Callable[..., Any], retraining_record: Callable[..., Any]
) -> None:
    groups = [run_tags(record)["aca.group"] for record in (search_record(0), search_record(1))]
    assert groups == ["pc_darts/allocated/darts/digits/e8"] * 2
    retrained = {run_tags(retraining_record(seed, again))["aca.group"] for seed in (0, 1) for again in (0, 1)}
    assert retrained == {"pc_darts/allocated/darts/digits/e8/retraining/short/ablation/sign/none"}
    assert run_tags(retraining_record(allocation="uniform"))["aca.group"] not in retrained
    record = search_record(0)
    pruned = run_tags(replace(record, trial=replace(record.trial, data_pruning="bdp")))
    assert (pruned["aca.data_pruning"], pruned["aca.group"]) == ("bdp", f"{groups[0]}/bdp")
    rounded = run_tags(replace(record, trial=replace(record.trial, precision="bfloat16")))
    assert (rounded["aca.precision"], rounded["aca.group"]) == ("bfloat16", f"{groups[0]}/bfloat16")


def test_params_are_flat_text() -> None:
    nested = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None, "f": "text", "g": 0.5}
    assert params(nested) == {"a.b": "1", "a.c.d": "[1, 2]", "e": "null", "f": "text", "g": "0.5"}


def test_data_set_is_that_of_the_record(search_record: Callable[..., SearchRecord], data_facts: DataFacts) -> None:
    known = dataset_input(search_record(data_info=replace(data_facts, source="https://example.org/c.tar")))
    assert known is not None
    assert (known.dataset.name, known.dataset.digest, known.dataset.source_type) == ("digits", "d" * 36, "http")
    assert json.loads(known.dataset.profile or "") == {"num_images": 64}
    assert dataset_input(search_record(data_info=None)) is None  # not read yet


def test_a_table_look_up_has_no_data_set(retraining_record: Callable[..., RetrainingRecord]) -> None:
    retrained = retraining_record()
    assert dataset_input(retrained) is not None
    result = LookUpResult(**vars(retrained.result), regret=0.1, rank=2, table=TableFacts(4, 0.9, None))
    assert dataset_input(LookUpRecord(**{**vars(retrained), "kind": "look-up", "rows": (), "result": result})) is None
