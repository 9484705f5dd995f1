"""Names, tags, params and data sets of runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aca_ray.tracking.description import dataset_input, params, run_name, run_tags


def test_names(search_record: Callable[..., Any], evaluation_record: Callable[..., Any]) -> None:
    assert run_name(search_record(seed=3)) == "pc_darts allocated s3 e8"
    assert run_name(evaluation_record(retrain_seed=1)) == "pc_darts allocated s0 e8 retrain ablation sign r1"
    assert run_name(evaluation_record(allocation=None)) == "pc_darts allocated s0 e8 retrain r0"


def test_groups_join_everything_except_the_seeds(
    search_record: Callable[..., Any], evaluation_record: Callable[..., Any]
) -> None:
    groups = [run_tags(record)["aca.group"] for record in (search_record(0), search_record(1))]
    assert groups == ["pc_darts/allocated/darts/digits/e8"] * 2
    retrained = {run_tags(evaluation_record(seed, again))["aca.group"] for seed in (0, 1) for again in (0, 1)}
    assert retrained == {"pc_darts/allocated/darts/digits/e8/retrain/short/ablation/sign/none"}
    assert run_tags(evaluation_record(allocation="uniform"))["aca.group"] not in retrained
    record = search_record(0)
    pruned = run_tags({**record, "trial": {**record["trial"], "data_pruning": "bdp"}})
    assert (pruned["aca.data_pruning"], pruned["aca.group"]) == ("bdp", f"{groups[0]}/bdp")
    rounded = run_tags({**record, "trial": {**record["trial"], "precision": "bfloat16"}})
    assert (rounded["aca.precision"], rounded["aca.group"]) == ("bfloat16", f"{groups[0]}/bfloat16")


def test_params_are_flat_text() -> None:
    nested = {"a": {"b": 1, "c": {"d": [1, 2]}}, "e": None, "f": "text", "g": 0.5}
    assert params(nested) == {"a.b": "1", "a.c.d": "[1, 2]", "e": "null", "f": "text", "g": "0.5"}


def test_data_set_follows_the_settings_or_the_data(search_record: Callable[..., Any]) -> None:
    record = search_record()
    plain = dataset_input(record)
    assert plain is not None
    other = dataset_input({**record, "trial": {**record["trial"], "data": {"name": "digits", "valid_share": 0.25}}})
    assert other is not None
    assert (plain.dataset.name, plain.dataset.name) == ("digits", other.dataset.name)
    assert plain.dataset.digest != other.dataset.digest
    info = {"name": "cifar10", "digest": "ab" * 32, "source": "https://example.org/c.tar", "num_images": 60000}
    known = dataset_input({**record, "data_info": info})
    assert known is not None
    assert (known.dataset.name, known.dataset.digest, known.dataset.source_type) == ("cifar10", "ab" * 18, "http")
    assert json.loads(known.dataset.profile or "") == {"num_images": 60000}


def test_a_table_look_up_has_no_data_set(evaluation_record: Callable[..., Any]) -> None:
    retrained = evaluation_record()
    assert dataset_input(retrained) is not None
    table = {"path": "table.csv", "architecture": "architecture", "accuracy": "test_accuracy"}
    assert dataset_input({**retrained, "trial": {**retrained["trial"], "table": table}}) is None
