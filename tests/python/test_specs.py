"""Specs as values: made in Python, saved as YAML, and taken where the path of a spec is taken."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import aca_ray
from aca_ray import api
from aca_ray.channels import DEFAULT_RANKING
from aca_ray.config.schema import ExperimentSpec, NetworkSpec, RetrainingSpec, RuntimeSpec, SweepSpec, TableSpec

DIGITS = {"name": "digits", "max_train_images": 32, "max_test_images": 32}
SMALL: dict[str, Any] = {
    "methods": "darts",
    "skip": "searched",
    "data": DIGITS,
    "epochs": 1,
    "network": {"channels": 4, "cells": 3},
    "batch_size": 16,
    "retraining": {"protocol": "small"},
}


def small(**changes: Any) -> SweepSpec:
    return SweepSpec(name="small", experiment=ExperimentSpec(**{**SMALL, "seeds": 0, **changes}))


@pytest.mark.parametrize("given", [3, [3], (3,), range(3, 4)])
def test_one_item_and_several(given: Any) -> None:
    assert small(seeds=given).experiment.seeds == (3,)


def test_a_storage_may_be_a_path(tmp_path: Path) -> None:
    assert RuntimeSpec(storage=tmp_path).storage == str(tmp_path)  # type: ignore[arg-type]


def test_a_spec_in_a_loop() -> None:
    specs = [small(seeds=range(count), epochs=[1, 2]) for count in (1, 3)]
    assert [spec.experiment.seeds for spec in specs] == [(0,), (0, 1, 2)]


def test_a_part_of_a_spec_has_the_values_that_a_whole_one_gives_it() -> None:
    alone = ExperimentSpec(**SMALL, seeds=0)
    assert SweepSpec(name="small", experiment={**SMALL, "seeds": 0}).experiment == alone
    retrained = ExperimentSpec(methods="darts", data="digits", seeds=0, epochs=1)
    assert retrained.retraining == RetrainingSpec()
    assert retrained.retrain_seeds == (0,)


SPECS = [
    small(),
    small(seeds=range(3), methods=["darts", {"name": "beta_darts", "scale": 0.25}]),
    small(skip=["searched", "allocated"], ranking="l1", controls=["uniform", "random"], skip_free=False),
    small(data=["digits", {"name": "parquet", "train": Path("a/b"), "test": "1e-3", "fields": ("x", "y")}]),
    small(retraining=RetrainingSpec(protocol={"base": "cifar", "lr": 1e-5, "clip_norm": None}, seeds=[4, 5])),
    small(table=TableSpec(path="t.csv"), spaces="nasbench201", network=NetworkSpec(channels=8)),
    SweepSpec(
        name="0123",
        description="first: line\n\n  second  \nthird # no comment\n",
        experiment=ExperimentSpec(**SMALL, seeds=0),
        runtime=RuntimeSpec(storage="s3://bucket/x", tracking="http://host", gpus_per_trial=0.5, pack="auto"),
    ),
    SweepSpec(name="n" * 90, description="yes", experiment=ExperimentSpec(**SMALL, seeds=range(900))),
]


@pytest.mark.parametrize("spec", SPECS)
def test_saved_specs_are_read_back_equal(spec: SweepSpec, tmp_path: Path) -> None:
    spec.save(tmp_path / "spec.yaml")
    assert SweepSpec.load(tmp_path / "spec.yaml") == spec
    assert SweepSpec.from_yaml(spec.to_yaml()) == spec


def test_only_what_differs_from_the_defaults_is_written() -> None:
    spec = small(network={"channels": 4}, seeds=[0, 1], data="digits", batch_size=None)
    assert yaml.safe_load(spec.to_yaml()) == {
        "name": "small",
        "experiment": {
            "methods": "darts",
            "skip": "searched",
            "data": "digits",
            "seeds": [0, 1],
            "epochs": 1,
            "network": {"channels": 4},
            "retraining": {"protocol": "small"},
        },
    }
    assert "seeds: [0, 1]\n" in spec.to_yaml()


def test_a_checked_spec_is_saved_with_the_names_of_its_defaults(tmp_path: Path) -> None:
    checked, _ = aca_ray.check(small(skip="allocated", retraining=RetrainingSpec(protocol="small")))
    checked.save(tmp_path / "spec.yaml")
    assert aca_ray.check(tmp_path / "spec.yaml")[0] == checked
    assert checked.experiment.ranking == (DEFAULT_RANKING,)


@pytest.mark.parametrize(
    ("build", "places"),
    [
        (lambda: ExperimentSpec(methods="darts", data="digits", seeds=[-1], epochs=0), ["seeds[0]", "epochs[0]"]),
        (lambda: ExperimentSpec(methods="darts", data="digits", seeds=0), ["epochs"]),
        (lambda: NetworkSpec(chanels=4), ["chanels"]),
        (lambda: NetworkSpec(channels=2000, cells=20), [""]),
        (
            lambda: SweepSpec(name="a/b", experiment={"seeds": [0, 0], "networks": 1}),
            [
                "name",
                "experiment.methods",
                "experiment.data",
                "experiment.seeds",
                "experiment.epochs",
                "experiment.networks",
            ],
        ),
        (
            lambda: ExperimentSpec(methods="darts", data={"name": {1}}, seeds=range(20_000), epochs=1),
            ["data[0].name", "seeds"],
        ),
        (lambda: RuntimeSpec(tracking="http://me:secret@host"), ["tracking"]),
    ],
)
def test_mistakes_are_reported_with_their_places_at_once(build: Any, places: list[str]) -> None:
    with pytest.raises(aca_ray.ConfigError) as caught:
        build()
    assert [problem.partition(":")[0] for problem in caught.value.problems] == places
    assert "\0" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_what_notebooks_show_of_a_spec() -> None:
    signature = inspect.signature(ExperimentSpec)
    assert list(signature.parameters) == list(ExperimentSpec.model_fields)
    assert str(signature).startswith("(*, plugins=(), methods, skip=('searched', 'allocated'), ")
    for name, field in ExperimentSpec.model_fields.items():
        assert f"    {name}: {' '.join(field.description.split())}\n" in f"{ExperimentSpec.__doc__}\n"


def test_a_path_a_mapping_and_a_value_make_the_same_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mapping = {"name": "same", "experiment": {**SMALL, "seeds": np.arange(2).tolist(), "batch_size": np.int64(16)}}
    value = SweepSpec(name="same", experiment=ExperimentSpec(**SMALL, seeds=range(2)))
    value.save("same.yaml")
    sweeps = [api.create(given) for given in (mapping, value, "same.yaml", Path("same.yaml"))]
    assert len({sweep.fingerprint for sweep in sweeps}) == 1
    assert {sweep.base for sweep in sweeps} == {tmp_path}
    assert [len(sweep.versions) for sweep in sweeps] == [1] * 4
    assert [sweep.spec_file for sweep in sweeps] == ["spec.yaml", "spec.yaml", "same.yaml", "same.yaml"]
    for sweep in sweeps:
        assert SweepSpec.from_yaml(sweep.text) == value
    assert api.find("same") == sweeps[-1]


@pytest.mark.parametrize("form", [dict, SweepSpec])
def test_names_and_data_are_checked_before_anything_is_written(
    form: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    images = {"name": "parquet", "train": "no.parquet", "test": "no.parquet"}
    experiment = {**SMALL, "methods": "dart", "seeds": 0, "data": images, "spaces": ["dart", "s3"]}
    with pytest.raises(aca_ray.ConfigError) as caught:
        aca_ray.run(form(name="small", experiment=experiment), local=True)
    places = {problem.partition(":")[0] for problem in caught.value.problems}
    assert places >= {"experiment.methods[0]", "experiment.spaces[0]", "experiment.data[0].train"}
    assert "Did you mean darts?" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (3, "spec: must be a path, a mapping or a SweepSpec, found 3"),
        (None, "spec: must be a path, a mapping or a SweepSpec, found None"),
        ({"name": "x", "experiment": {"data": {"f": {1, 2}}}}, r"spec.experiment.data.f: must be .*, found set"),
        ({"name": "x", 3: 1}, "spec: a key must be a string, found 3"),
        ({}, "name: is required and missing"),
        ("no.yaml", "no.yaml: cannot be read"),
    ],
)
def test_what_is_no_spec(given: Any, problem: str) -> None:
    with pytest.raises(aca_ray.ConfigError, match=problem):
        aca_ray.check(given)


def test_a_mapping_that_contains_itself() -> None:
    mapping: dict[str, Any] = {"name": "x"}
    mapping["experiment"] = mapping
    with pytest.raises(aca_ray.ConfigError, match="nested more than"):
        aca_ray.check(mapping)


def test_a_spec_that_cannot_be_saved(tmp_path: Path) -> None:
    with pytest.raises(aca_ray.ConfigError, match="cannot be written"):
        small().save(tmp_path / "no" / "spec.yaml")


@pytest.mark.parametrize("given", [small(), {"name": "x"}])
def test_a_job_needs_a_file(given: SweepSpec | Mapping[str, Any]) -> None:
    with pytest.raises(aca_ray.ConfigError, match=r"SweepSpec\.save\(path\)"):
        aca_ray.submit(given, address="http://127.0.0.1:1")


def test_a_cluster_is_not_asked_about_a_wrong_spec() -> None:
    with pytest.raises(aca_ray.ConfigError, match="experiment: is required"):
        aca_ray.doctor({"name": "x"}, address="127.0.0.1:1")


@pytest.mark.slow
def test_estimates_of_a_value_and_of_a_file(tmp_path: Path) -> None:
    spec = small(seeds=[0, 1])
    spec.save(tmp_path / "spec.yaml")
    estimates = [aca_ray.estimate(given, local=True) for given in (spec, tmp_path / "spec.yaml")]
    kinds = [[(kind.label, kind.num_trials) for kind in estimate.kinds] for estimate in estimates]
    assert kinds[0] == kinds[1]
    assert sum(number for _, number in kinds[0]) == 4


def test_a_space_by_value_and_a_plug_in_survive_yaml(tmp_path: Path) -> None:
    spec = SweepSpec(
        name="own",
        experiment=ExperimentSpec(
            plugins="mine.py",
            methods="mine",
            spaces={"base": "darts", "operations": ["skip_connect", "sep_conv_5x5"]},
            data="digits",
            seeds=0,
            epochs=1,
        ),
    )
    assert "plugins: mine.py" in spec.to_yaml()
    again = SweepSpec.from_yaml(spec.to_yaml())
    assert again == spec
    assert again.experiment.spaces == ("darts(skip_connect,sep_conv_5x5)",)
