"""The trials of an experiment, and their identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from aca_ray.config import (
    EvaluationTrial,
    ExperimentSpec,
    RetrainingTrial,
    RuntimeSpec,
    SearchTrial,
    SweepSpec,
    canonical_json,
    fingerprint,
    search_trials,
)
from aca_ray.pipeline.manifest import experiment_fingerprint

SEARCH = SearchTrial(
    method="pc_darts",
    skip="allocated",
    space="darts",
    seed=3,
    epochs=8,
    data={"name": "digits", "max_train_images": 64},
    network={"channels": 4, "cells": 5},
    batch_size=None,
    milestones=(4, 8),
)
EVALUATION = EvaluationTrial.of_search(SEARCH, protocol="small", retrain_seed=1, ranking="taylor", allocation="sign")
RETRAINING = RetrainingTrial(
    network="e" * 64, name="DARTS_V2", data={"name": "digits", "max_test_images": 8}, protocol="small", retrain_seed=0
)

# Results on disks are found by these: where one changes, FINGERPRINT_VERSION has to, and old results are lost.
PINNED = {
    "search": "cbddd95c5e6024cda718dd373041bd4253dbef16ea6b02786032b44f62ec21c9",
    "evaluation": "8e23dcc7c5490a95172f4184beb7090fc238289c2966858f92b69b11bd9d8112",
    "retraining": "898ad3027e4e4434d77fd4111bd5110814ef5dc56d8982c71708d3e1bd8aa50a",
}
PINNED_SWEEP = "38fd782901502d298e568b8553d5134464efe0e6a98fde7cc16044f0827fcdba"
PINNED_SEARCHES = [
    "c6d316fcc979dc416866abeed89e068d32b2ba701e243a54ad57a584be10c361",
    "0f98dd66e08c2971c4657d02b074fd9e6faf5cfced5a4466d5876dd16f435ff9",
]


def test_fingerprints_of_yesterday() -> None:
    found = {"search": SEARCH, "evaluation": EVALUATION, "retraining": RETRAINING}
    assert {name: trial.fingerprint for name, trial in found.items()} == PINNED


@pytest.mark.parametrize("written", [{}, {"experiment__precision": "float32"}], ids=["left out", "float32"])
def test_sweep_of_yesterday(parse_changed: Callable[..., SweepSpec], written: dict[str, Any]) -> None:
    spec = parse_changed(**written)
    assert experiment_fingerprint(spec) == PINNED_SWEEP
    assert [trial.fingerprint for trial in search_trials(spec.experiment)] == PINNED_SEARCHES


def test_fingerprint_is_the_hash_of_the_canonical_text() -> None:
    text = (
        '{"kind":"search","trial":{"batch_size":null,"data":{"max_train_images":64,"name":"digits"},"epochs":8,'
        '"method":"pc_darts","milestones":[4,8],"network":{"cells":5,"channels":4},"seed":3,"skip":"allocated",'
        '"space":"darts"},"version":2}'
    )
    assert SEARCH.fingerprint == hashlib.sha256(text.encode()).hexdigest()
    assert SEARCH.short == SEARCH.fingerprint[:12]


def test_canonical_json() -> None:
    assert canonical_json({"b": [1, 2.5], "a": {"d": None, "c": "ü"}}) == '{"a":{"c":"\\u00fc","d":null},"b":[1,2.5]}'
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint([1, 2]) != fingerprint([2, 1])
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json(float("nan"))


OTHER: dict[str, Any] = {
    "method": "darts",
    "skip": "searched",
    "space": "s1",
    "seed": 4,
    "epochs": 9,
    "data": {"name": "digits"},
    "network": {"channels": 8, "cells": 5},
    "batch_size": 16,
    "milestones": (8,),
    "data_pruning": "bdp",
    "precision": "bfloat16",
    "search": "f" * 64,
    "protocol": "cifar",
    "retrain_seed": 2,
    "ranking": "fisher",
    "allocation": "uniform",
    "name": "DARTS_V1",
    "table": {"path": "t.csv", "architecture": "a", "accuracy": "b"},
}


@pytest.mark.parametrize("trial", [SEARCH, EVALUATION, RETRAINING], ids=["search", "evaluation", "retraining"])
def test_every_field_is_part_of_the_identity(trial: SearchTrial | EvaluationTrial | RetrainingTrial) -> None:
    changed = [replace(trial, **{f.name: OTHER[f.name]}) for f in fields(trial)]
    prints = {trial.fingerprint, *(other.fingerprint for other in changed)}
    assert len(prints) == len(fields(trial)) + 1


@pytest.mark.parametrize("trial", [SEARCH, EVALUATION], ids=["search", "evaluation"])
def test_json_round_trip(trial: SearchTrial | EvaluationTrial) -> None:
    read = type(trial).from_json(json.loads(json.dumps(trial.to_json())))
    assert read == trial
    assert read.fingerprint == trial.fingerprint


def test_evaluation_repeats_its_search() -> None:
    assert EVALUATION.search == SEARCH.fingerprint
    for name in ("method", "skip", "space", "seed", "epochs", "data", "network"):
        assert getattr(EVALUATION, name) == getattr(SEARCH, name)


# Another value for every field of the two halves of a spec.
EXPERIMENT_CHANGES: dict[str, Any] = {
    "methods": ["pc_darts"],
    "data_pruning": "bdp",
    "skip": ["searched"],
    "spaces": ["s2"],
    "data": [{"name": "digits", "max_train_images": 64}],
    "seeds": [1],
    "epochs": [2, 4],
    "network": {"channels": 4},
    "network__cells": 5,
    "batch_size": 32,
    "precision": "bfloat16",
    "ranking": "fisher",
    "allocation": "otsu",
    "evaluation": {"protocol": "small"},
    "evaluation__retrain_seeds": [1],
    "evaluation__controls": ["all"],
}
RUNTIME_CHANGES: dict[str, Any] = {
    "storage": "elsewhere",
    "tracking": "http://localhost:5000",
    "cpus_per_trial": 2,
    "gpus_per_trial": 0.5,
    "accelerator_type": "H100",
    "pack": 2,
    "max_concurrent": 1,
    "max_failures": 0,
    "address": "auto",
}


def test_every_experiment_field_changes_the_fingerprint(parse_changed: Callable[..., SweepSpec]) -> None:
    assert {name.partition("__")[0] for name in EXPERIMENT_CHANGES} == set(ExperimentSpec.model_fields)
    specs = [parse_changed(), *(parse_changed(**{f"experiment__{k}": v}) for k, v in EXPERIMENT_CHANGES.items())]
    assert len({experiment_fingerprint(spec) for spec in specs}) == len(specs)


def test_no_runtime_field_changes_the_fingerprint(parse_changed: Callable[..., SweepSpec]) -> None:
    assert set(RUNTIME_CHANGES) == set(RuntimeSpec.model_fields)
    good = parse_changed()
    for name, value in RUNTIME_CHANGES.items():
        spec = parse_changed(**{f"runtime__{name}": value})
        assert spec != good
        assert experiment_fingerprint(spec) == experiment_fingerprint(good)
        assert search_trials(spec.experiment) == search_trials(good.experiment)
    for change in ({"name": "other"}, {"description": "other"}):
        assert experiment_fingerprint(parse_changed(**change)) == experiment_fingerprint(good)


def test_order_of_keys_and_formatting_do_not_matter(parse: Callable[[str], SweepSpec]) -> None:
    one = parse(
        "name: a\nexperiment:\n  methods: [darts]\n  data: {name: digits, max_train_images: 64}\n  seeds: [0]\n"
        "  epochs: [2]\n  network: {channels: 4, cells: 5}\n"
    )
    other = parse(
        "# The same.\nexperiment: {epochs: 2, seeds: 0x0, network: {cells: 5, channels: 4}, "
        'data: [{"max_train_images": 64, "name": "digits"}],\n   methods: "darts", '
        "skip: [searched, allocated]}\nname: a\n"
    )
    assert experiment_fingerprint(one) == experiment_fingerprint(other)
    first, second = (search_trials(spec.experiment) for spec in (one, other))
    assert [trial.fingerprint for trial in first] == [trial.fingerprint for trial in second]


def test_search_trials_are_the_product(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed(
        experiment__methods=["darts", "pc_darts"],
        experiment__spaces=["darts", "s3"],
        experiment__data=["digits", {"name": "digits", "max_train_images": 64}],
        experiment__seeds=[0, 5],
        experiment__epochs=[4, 1, 2],
        experiment__network={"channels": 4, "cells": 5},
        experiment__batch_size=32,
    )
    trials = search_trials(spec.experiment)
    expected = {
        (method, skip, space, data, seed, epochs)
        for method in ("darts", "pc_darts")
        for skip in ("searched", "allocated")
        for space in ("darts", "s3")
        for data in (None, 64)
        for seed in (0, 5)
        for epochs in (1, 2, 4)
    }
    found = [(t.method, t.skip, t.space, t.data.get("max_train_images"), t.seed, t.epochs) for t in trials]
    assert set(found) == expected
    assert len(found) == len(expected) == 96
    assert len({trial.short for trial in trials}) == 96
    budgets = [trial.epochs for trial in trials]
    assert budgets == sorted(budgets, reverse=True)  # long ones first
    assert {t.epochs: t.milestones for t in trials} == {1: (1,), 2: (1, 2), 4: (1, 2, 4)}
    assert {(t.network["channels"], t.network["cells"], t.batch_size) for t in trials} == {(4, 5, 32)}
