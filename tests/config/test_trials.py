"""The trials of an experiment, and their identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest

from aca_ray.config import (
    ExperimentSpec,
    LookUpTrial,
    NetworkTrial,
    RetrainingTrial,
    RuntimeSpec,
    SearchTrial,
    StandaloneTrial,
    SweepSpec,
    canonical_json,
    fingerprint,
    search_trials,
)
from aca_ray.errors import ConfigError
from aca_ray.sweep.manifest import experiment_fingerprint

SEARCH = SearchTrial(
    method="pc_darts",
    skip="allocated",
    space="darts",
    seed=3,
    epochs=8,
    data={"name": "digits", "max_train_images": 64},
    network={"channels": 4, "cells": 5},
    batch_size=None,
)
RETRAINING = RetrainingTrial.of_search(SEARCH, protocol="small", retrain_seed=1, ranking="taylor", allocation="sign")
NETWORKS: dict[str, NetworkTrial] = {
    "retraining": RETRAINING,
    "control": replace(RETRAINING, control="random"),
    "by value": replace(RETRAINING, protocol={"base": "small", "epochs": 40, "channels": 16}),
    "looked up": LookUpTrial.of_search(SEARCH, {"name": "nasbench201"}, "taylor", "rounded"),
    "skip-free": RetrainingTrial.of_search(SEARCH, "small", 1, None, "all"),
}
STANDALONE = StandaloneTrial(
    network="e" * 64, name="DARTS_V2", data={"name": "digits", "max_test_images": 8}, protocol="small", retrain_seed=0
)

# Stored results are found by these: if one changes, FINGERPRINT_VERSION must too, and stored results are lost.
PINNED = {
    "search": "8410e0dbe32fffe8b0d6e0b0db15762954443ae6545e4277c00ebb1f96ca83a1",
    "retraining": "798d89fc3a8518aacd513b27670717bf2731398c742f29480398161efa8c6b80",
    "control": "041955341aab1316138ed275e1c47801939994a4431746d4052db5215d701b1a",
    "by value": "27a1eb35d2e64f49cc4111474202c1b0d45400d873c81e3a6a792b18cf6b7bb6",
    "looked up": "4a7b0fa8bcee51e4e2c3a6a2982ade160bfa1cfd60ec836c5b4bd8854588c14f",
    "skip-free": "c80bc05681fb976aca911179353daf233df01485423e9240e5e547d3e9cc761b",
    "standalone": "11be0256d30136ef3347330fdcd21aaedf361787419549dddaffddd8279287e0",
}
PINNED_SWEEP = "1e1f4dc6bf979bdd763f21abce20f010a1bc8787b6513f811b1b7e2b17513695"
PINNED_SEARCHES = [
    "8ab2246f64a7a64809713ac26cd3dbac4c2da4f925cf0a2e772ccf97164c8d3a",
    "61e2ea5ae0d4f84822c5a0fc5c98e3c570eb555c952f2bfa6ca75f5b1cc7da06",
]


def test_fingerprints_have_not_changed() -> None:
    found = {"search": SEARCH, **NETWORKS, "standalone": STANDALONE}
    assert {name: trial.fingerprint for name, trial in found.items()} == PINNED


@pytest.mark.parametrize("written", [{}, {"experiment__precision": "float32"}], ids=["left out", "float32"])
def test_sweep_fingerprint_has_not_changed(parse_changed: Callable[..., SweepSpec], written: dict[str, Any]) -> None:
    spec = parse_changed(**written)
    assert experiment_fingerprint(spec) == PINNED_SWEEP
    assert [trial.fingerprint for trial in search_trials(spec.experiment)] == PINNED_SEARCHES


SEARCH_TEXT = (
    '{"kind":"search","trial":{"batch_size":null,"data":{"max_train_images":64,"name":"digits"},"epochs":8,'
    '"method":"pc_darts","network":{"cells":5,"channels":4},"seed":3,"skip":"allocated","space":"darts"},"version":3}'
)
BEFORE = '{"kind":"retraining","trial":{'
DATA = (
    '"data":{"max_train_images":64,"name":"digits"},"epochs":8,"method":"pc_darts","network":{"cells":5,"channels":4},'
)
AFTER = '"seed":3,"skip":"allocated","space":"darts"'
NETWORK_TEXTS = {
    "retraining": (
        f'{BEFORE}"allocation":"sign",{DATA}"protocol":"small","ranking":"taylor","retrain_seed":1,"search":SEARCH,'
        f'{AFTER}}},"version":3}}'
    ),
    "control": (
        f'{BEFORE}"allocation":"sign","control":"random",{DATA}"protocol":"small","ranking":"taylor","retrain_seed":1,'
        f'"search":SEARCH,{AFTER}}},"version":3}}'
    ),
    "by value": (
        f'{BEFORE}"allocation":"sign",{DATA}"protocol":{{"base":"small","channels":16,"epochs":40}},"ranking":"taylor",'
        f'"retrain_seed":1,"search":SEARCH,{AFTER}}},"version":3}}'
    ),
    "looked up": (
        f'{{"kind":"look-up","trial":{{"allocation":"rounded",{DATA}"ranking":"taylor","search":SEARCH,{AFTER},'
        '"table":{"name":"nasbench201"}},"version":3}'
    ),
    "skip-free": (
        f'{BEFORE}"allocation":"all",{DATA}"protocol":"small","ranking":null,"retrain_seed":1,"search":SEARCH,'
        f'{AFTER}}},"version":3}}'
    ),
}


def test_fingerprint_is_the_hash_of_the_canonical_text() -> None:
    search = hashlib.sha256(SEARCH_TEXT.encode()).hexdigest()
    assert SEARCH.fingerprint == search
    assert SEARCH.short == search[:12]
    texts = {name: text.replace("SEARCH", f'"{search}"') for name, text in NETWORK_TEXTS.items()}
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    assert {name: trial.fingerprint for name, trial in NETWORKS.items()} == hashes


@pytest.mark.parametrize(
    ("epochs", "quarters"),
    [
        (1, (1,)),
        (2, (1, 2)),
        (3, (1, 2, 3)),
        (4, (1, 2, 3, 4)),
        (5, (2, 3, 4, 5)),
        (10, (3, 5, 8, 10)),
        (100, (25, 50, 75, 100)),
    ],
)
def test_milestones_are_the_ends_of_the_quarters(epochs: int, quarters: tuple[int, ...]) -> None:
    assert replace(SEARCH, epochs=epochs).milestones == quarters


def test_milestones_are_not_part_of_the_identity() -> None:
    assert "milestones" not in SEARCH.to_json()
    with pytest.raises(ConfigError, match="milestones"):
        SearchTrial.from_json({**SEARCH.to_json(), "milestones": [4, 8]})


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
    "data_pruning": "bdp",
    "precision": "bfloat16",
    "search": "f" * 64,
    "protocol": "cifar",
    "retrain_seed": 2,
    "ranking": "fisher",
    "allocation": "otsu",
    "control": "uniform",
    "name": "DARTS_V1",
    "table": {"path": "t.csv", "architecture": "a", "accuracy": "b"},
    "plugins": {"theirs.py": "a" * 64},
}
TRIALS = {"search": SEARCH, **NETWORKS, "standalone": STANDALONE}


@pytest.mark.parametrize("trial", TRIALS.values(), ids=list(TRIALS))
def test_every_field_is_part_of_the_identity(trial: SearchTrial | NetworkTrial | StandaloneTrial) -> None:
    changed = [replace(trial, **{f.name: OTHER[f.name]}) for f in fields(trial)]
    prints = {trial.fingerprint, *(other.fingerprint for other in changed)}
    assert len(prints) == len(fields(trial)) + 1


@pytest.mark.parametrize("trial", [SEARCH, *NETWORKS.values()], ids=["search", *NETWORKS])
def test_json_round_trip(trial: SearchTrial | NetworkTrial) -> None:
    read = type(trial).from_json(json.loads(json.dumps(trial.to_json())))
    assert read == trial
    assert read.fingerprint == trial.fingerprint


def test_the_trial_of_a_network_repeats_its_search() -> None:
    assert RETRAINING.search == SEARCH.fingerprint
    for name in ("method", "skip", "space", "seed", "epochs", "data", "network"):
        assert getattr(RETRAINING, name) == getattr(SEARCH, name)


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
    "ranking": ["fisher"],
    "allocation": ["otsu"],
    "retraining": {"protocol": "small"},
    "retraining__protocol": {"base": "small", "epochs": 5},
    "retraining__seeds": [1],
    "table": {"path": "t.csv"},
    "controls": ["uniform"],
    "skip_free": False,
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
    # Plug-ins count only if they are used: tests/plugins.
    assert {name.partition("__")[0] for name in EXPERIMENT_CHANGES} == set(ExperimentSpec.model_fields) - {"plugins"}
    looked_up = {"experiment__spaces": "nasbench201"}  # tables need it
    specs = [parse_changed(**looked_up)]
    specs += [parse_changed(**{**looked_up, f"experiment__{k}": v}) for k, v in EXPERIMENT_CHANGES.items()]
    assert len({experiment_fingerprint(spec) for spec in specs}) == len(specs)


def test_resized_images_are_different_data(parse_changed: Callable[..., SweepSpec]) -> None:
    data = {"name": "digits"}
    specs = [parse_changed(experiment__data=one) for one in (data, {**data, "resize": 4}, {**data, "resize": 8})]
    assert len({experiment_fingerprint(spec) for spec in specs}) == 3
    assert len({search_trials(spec.experiment)[0].fingerprint for spec in specs}) == 3


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
    assert {t.epochs: t.milestones for t in trials} == {1: (1,), 2: (1, 2), 4: (1, 2, 3, 4)}
    assert {(t.network["channels"], t.network["cells"], t.batch_size) for t in trials} == {(4, 5, 32)}
