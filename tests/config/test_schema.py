"""Valid specs: defaults, single values for lists, frozen."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from aca_ray.config import RetrainingSpec, SweepSpec, TableSpec
from aca_ray.config.load import spec_from_json


def test_defaults(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed()
    experiment, runtime = spec.experiment, spec.runtime
    assert spec.description == ""
    assert experiment.skip == ("searched", "allocated")
    assert experiment.spaces == ("darts",)
    assert (experiment.network.channels, experiment.network.cells) == (16, 8)
    assert experiment.precision == "float32"
    assert (experiment.batch_size, experiment.ranking, experiment.allocation) == (None, ("taylor_identity",), ("sign",))
    assert experiment.retraining == RetrainingSpec(protocol="cifar", seeds=(0,))
    assert (experiment.table, experiment.controls, experiment.skip_free) == (None, (), True)
    assert (runtime.storage, runtime.tracking, runtime.address) == ("results", None, None)
    assert (runtime.cpus_per_trial, runtime.gpus_per_trial) == (1, 0)
    assert (runtime.pack, runtime.max_concurrent, runtime.max_failures) == (1, None, 3)


def test_defaults_depend_on_what_is_done(parse_changed: Callable[..., SweepSpec]) -> None:
    looked_up = {"experiment__spaces": "nasbench201", "experiment__table": "nasbench201"}
    experiment = parse_changed(**looked_up).experiment
    assert (experiment.ranking, experiment.allocation) == (("taylor_identity",), ("rounded",))
    assert (experiment.retraining, experiment.retrain_seeds) == (None, ())
    experiment = parse_changed(experiment__skip="searched").experiment
    assert (experiment.ranking, experiment.allocation) == (None, None)
    assert experiment.retraining == RetrainingSpec(protocol="cifar")


@pytest.mark.parametrize("changes", [{}, {"experiment__skip": "searched"}])
def test_a_spec_that_was_read_keeps_its_defaults(
    parse_changed: Callable[..., SweepSpec], changes: dict[str, str]
) -> None:
    spec = parse_changed(**changes)
    written = json.loads(json.dumps(spec.model_dump(mode="json")))
    assert spec_from_json(written) == spec  # without the registries, as from a manifest


@pytest.mark.parametrize(
    ("place", "single", "several"),
    [
        ("methods", "pc_darts", ["pc_darts"]),
        ("skip", "allocated", ["allocated"]),
        ("spaces", "darts", ["darts"]),
        ("data", "digits", [{"name": "digits"}]),
        ("data", {"name": "digits", "max_train_images": 64}, [{"name": "digits", "max_train_images": 64}]),
        ("seeds", 7, [7]),
        ("epochs", 3, [3]),
        ("ranking", "fisher", ["fisher"]),
        ("allocation", "otsu", ["otsu"]),
        ("retraining", {"seeds": 2}, {"seeds": [2]}),
        ("controls", "random", ["random"]),
    ],
)
def test_a_single_value_is_a_list_of_one(
    parse_changed: Callable[..., SweepSpec], place: str, single: Any, several: Any
) -> None:
    one = parse_changed(**{f"experiment__{place}": single})
    assert one == parse_changed(**{f"experiment__{place}": several})
    assert one != parse_changed(experiment__methods="darts_second_order")


def test_lists_keep_their_order(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed(
        experiment__methods=["pc_darts", "darts"],
        experiment__seeds=[3, 1, 2],
        experiment__ranking=["taylor", "l1", "fisher"],
        experiment__allocation=["strength", "all", "rounded"],
        experiment__controls=["shuffled", "random", "uniform"],
    )
    experiment = spec.experiment
    assert experiment.methods == ("pc_darts", "darts")
    assert experiment.seeds == (3, 1, 2)
    assert experiment.ranking == ("taylor", "l1", "fisher")
    assert experiment.allocation == ("strength", "all", "rounded")
    assert experiment.controls == ("shuffled", "random", "uniform")


def test_a_spec_cannot_be_changed(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed()
    with pytest.raises(ValidationError, match="frozen"):
        spec.experiment.batch_size = 8  # type: ignore[misc]


@pytest.mark.parametrize("pack", [4, "auto"])
def test_json_round_trip(parse_changed: Callable[..., SweepSpec], pack: int | str) -> None:
    spec = parse_changed(experiment__network={"channels": 4}, runtime__max_concurrent=2, runtime__pack=pack)
    assert spec.runtime.pack == pack
    assert SweepSpec.model_validate(spec.model_dump(mode="json")) == spec


@pytest.mark.parametrize("table", ["nasbench201", {"path": "t.csv"}])
@pytest.mark.parametrize("protocol", [None, "small", {"base": "small", "clip_norm": None}])
def test_tables_and_protocols_round_trip_json(
    parse_changed: Callable[..., SweepSpec], table: Any, protocol: Any
) -> None:
    retraining = protocol and {"protocol": protocol}
    spec = parse_changed(experiment__retraining=retraining, experiment__table=table, experiment__spaces="nasbench201")
    text = json.dumps(spec.model_dump(mode="json"))
    assert SweepSpec.model_validate(json.loads(text)) == spec


OWN = {"base": "darts", "operations": ["sep_conv_5x5", "skip_connect"], "reduce": {"0->2": ["noise"]}}


def test_spaces_by_value_become_their_text(parse_changed: Callable[..., SweepSpec]) -> None:
    s2 = {"base": "darts", "operations": ["sep_conv_3x3", "skip_connect"]}
    spec = parse_changed(experiment__spaces=[s2, OWN])
    text = "darts(skip_connect,sep_conv_5x5;reduce 0->2=noise)"
    assert spec.experiment.spaces == ("s2", text)
    assert parse_changed(experiment__spaces=["s2", text]) == spec
    assert SweepSpec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json")))) == spec
    assert parse_changed(experiment__spaces=OWN).experiment.spaces == (text,)


def test_all_problems_of_spaces_by_value(problems: Callable[..., list[str]]) -> None:
    wrong = {"base": "darts", "operations": ["skip"], "normal": {"2->0": ["noise"], "0->2": []}}
    assert places_of(problems(experiment__spaces=["darts", wrong, {"operations": ["noise"]}, 5])) == [
        "experiment.spaces[1].operations[0]",
        "experiment.spaces[1].normal.2->0",
        "experiment.spaces[1].normal",  # too few edges into node 2
        "experiment.spaces[2].base",
        "experiment.spaces[3]",
    ]
    (problem,) = problems(experiment__spaces=["s2", {"base": "s1", "operations": ["skip_connect", "sep_conv_3x3"]}])
    assert problem.startswith("experiment.spaces: ")  # twice


def test_parts_of_nasbench201_are_looked_up(
    parse_changed: Callable[..., SweepSpec], problems: Callable[..., list[str]]
) -> None:
    part = {"base": "nasbench201", "operations": ["skip_connect", "nor_conv_3x3"]}
    assert parse_changed(experiment__spaces=part, experiment__table="nasbench201").experiment.table == "nasbench201"
    more = {"base": "nasbench201", "operations": ["skip_connect", "sep_conv_3x3"]}
    found = problems(experiment__spaces=[part, more, "darts"], experiment__table="nasbench201")
    assert places_of(found) == ["experiment.spaces[1]", "experiment.spaces[2]"]
    assert places_of(problems(experiment__spaces=more, experiment__table="nasbench201")) == ["experiment.spaces"]


def places_of(problems: list[str]) -> list[str]:
    return [problem.partition(":")[0] for problem in problems]


@pytest.mark.parametrize("table", ["nasbench201", {"path": "t.csv"}])
def test_a_table_alone_refuses_what_it_does_not_cover(problems: Callable[..., list[str]], table: Any) -> None:
    places = {
        "experiment__spaces": ["darts", "nasbench201", "s2"],
        "experiment__allocation": ["rounded", "sign", "all"],
    }
    controls = ["random", "uniform", "shuffled"]
    assert places_of(problems(**places, experiment__table=table, experiment__controls=controls)) == [
        "experiment.spaces[0]",
        "experiment.spaces[2]",
        "experiment.allocation[1]",
        "experiment.controls[1]",
    ]
    (problem,) = problems(experiment__table=table)
    assert problem.startswith("experiment.spaces: ")
    assert "nasbench201" in problem


def test_a_table_beside_retraining_refuses_nothing_that_can_be_retrained(
    parse_changed: Callable[..., SweepSpec], problems: Callable[..., list[str]]
) -> None:
    settings: dict[str, Any] = {
        "experiment__table": "nasbench201",
        "experiment__controls": ["uniform"],
        "experiment__retraining": {"protocol": "small", "seeds": [0, 1]},
    }
    both = parse_changed(**settings, experiment__spaces=["darts", "nasbench201"], experiment__allocation="sign")
    assert both.experiment.retrain_seeds == (0, 1)
    (problem,) = problems(**settings)
    assert problem.startswith("experiment.spaces: ")


def test_tables_by_name_and_by_mapping(parse_changed: Callable[..., SweepSpec]) -> None:
    spaces = {"experiment__spaces": "nasbench201"}
    named = parse_changed(**spaces, experiment__table="nasbench201").experiment
    assert (named.table, named.retraining) == ("nasbench201", None)
    table = parse_changed(**spaces, experiment__table={"path": "t.csv"}).experiment.table
    assert isinstance(table, TableSpec)
    assert (table.path, table.architecture, table.accuracy) == ("t.csv", "architecture", "test_accuracy")


def test_settings_of_allocated_searches_are_refused_without_any(problems: Callable[..., list[str]]) -> None:
    found = problems(
        experiment__skip="searched",
        experiment__ranking=["l1"],
        experiment__allocation=["sign"],
        experiment__controls=["random"],
        experiment__skip_free=False,
    )
    assert places_of(found) == [
        "experiment.ranking",
        "experiment.allocation",
        "experiment.controls",
        "experiment.skip_free",
    ]


def test_values_that_do_not_fit_together_are_reported_together(problems: Callable[..., list[str]]) -> None:
    found = problems(
        experiment__skip="searched",
        experiment__controls="uniform",
        experiment__spaces="darts",
        experiment__table="nasbench201",
        experiment__seeds=list(range(10_000)),
        experiment__epochs=list(range(1, 11)),
        runtime__storage="s3://bucket/results",
    )
    assert places_of(found) == ["experiment.controls", "experiment", "experiment.spaces", "runtime.tracking"]


def test_protocols_have_one_canonical_form(parse_changed: Callable[..., SweepSpec]) -> None:
    def read(protocol: Any) -> Any:
        retraining = parse_changed(experiment__retraining={"protocol": protocol}).experiment.retraining
        assert retraining is not None
        return retraining.protocol

    assert read({"base": "cifar"}) == read({"base": "cifar", "epochs": 600, "lr": 0.025}) == "cifar"
    expected = {"base": "cifar", "channels": 16, "epochs": 100}
    for written in (expected, {"base": "cifar", "epochs": 100.0, "momentum": 0.9, "channels": 16}):
        assert read(written) == expected
        assert {type(value) for key, value in read(written).items() if key != "base"} == {int}


def test_methods_with_settings_have_one_label(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed(experiment__methods=["darts", {"name": "darts"}][1:])
    assert spec.experiment.methods == ("darts",)
    written = {"name": "fair_darts", "threshold": 0.5}
    (label,) = parse_changed(experiment__methods=written).experiment.methods
    assert label == "fair_darts(threshold=0.5)"
    assert parse_changed(experiment__methods=label).experiment.methods == (label,)


@pytest.mark.parametrize(
    "tracking",
    [
        "http://mlflow:5000",
        "databricks",
        "postgresql+psycopg2://ann@host:5432/mlflow",
        "sqlite:////a:b@c/mlflow.db",
        "sqlite:///%3F#1.db",
    ],
)
def test_a_location_without_a_password_is_accepted(parse_changed: Callable[..., SweepSpec], tracking: str) -> None:
    assert parse_changed(runtime__tracking=tracking).runtime.tracking == tracking


def test_storage_in_an_object_store(
    parse_changed: Callable[..., SweepSpec], problems: Callable[..., list[str]]
) -> None:
    uri = "s3://bucket/results"
    spec = parse_changed(runtime__storage=uri, runtime__tracking="http://localhost:5000")
    assert spec.runtime.storage == uri
    (found,) = problems(runtime__storage=uri)
    assert found.startswith("runtime.tracking: ")
    assert all(text in found for text in ("http://", "sqlite:///", "found null"))
    (found,) = problems(runtime__storage="ftp://host/results", runtime__tracking="http://localhost:5000")
    assert found.startswith("runtime.storage: ")
    assert all(text in found for text in ("s3://", "gs://", "found ftp://"))
    (found,) = problems(runtime__storage="s3://me:hidden@bucket", runtime__tracking="http://localhost:5000")
    assert found.startswith("runtime.storage: ")
    assert "credentials" in found
    assert "hidden" not in found
