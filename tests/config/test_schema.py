"""What a good spec becomes: defaults, single values for lists, frozen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError

from aca_ray.config import SweepSpec


def test_defaults(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed()
    experiment, runtime = spec.experiment, spec.runtime
    assert spec.description == ""
    assert experiment.skip == ("searched", "allocated")
    assert experiment.spaces == ("darts",)
    assert (experiment.network.channels, experiment.network.cells) == (16, 8)
    assert experiment.precision == "float32"
    assert (experiment.batch_size, experiment.ranking, experiment.allocation) == (None, None, None)
    assert experiment.evaluation.protocol == "cifar"
    assert (experiment.evaluation.retrain_seeds, experiment.evaluation.controls) == ((0,), ())
    assert (runtime.storage, runtime.tracking, runtime.address) == ("results", None, None)
    assert (runtime.cpus_per_trial, runtime.gpus_per_trial) == (1, 0)
    assert (runtime.pack, runtime.max_concurrent, runtime.max_failures) == (1, None, 3)


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
        ("evaluation", {"retrain_seeds": 2, "controls": "all"}, {"retrain_seeds": [2], "controls": ["all"]}),
    ],
)
def test_a_single_value_is_a_list_of_one(
    parse_changed: Callable[..., SweepSpec], place: str, single: Any, several: Any
) -> None:
    one = parse_changed(**{f"experiment__{place}": single})
    assert one == parse_changed(**{f"experiment__{place}": several})
    assert one != parse_changed(experiment__methods="darts_second_order")


def test_lists_keep_their_order(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed(experiment__methods=["pc_darts", "darts"], experiment__seeds=[3, 1, 2])
    assert spec.experiment.methods == ("pc_darts", "darts")
    assert spec.experiment.seeds == (3, 1, 2)


def test_a_spec_cannot_be_changed(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed()
    with pytest.raises(ValidationError, match="frozen"):
        spec.experiment.batch_size = 8  # type: ignore[misc]


@pytest.mark.parametrize("pack", [4, "auto"])
def test_json_round_trip(parse_changed: Callable[..., SweepSpec], pack: int | str) -> None:
    spec = parse_changed(experiment__network={"channels": 4}, runtime__max_concurrent=2, runtime__pack=pack)
    assert spec.runtime.pack == pack
    assert SweepSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_a_table_covers_searched_skips_in_its_space_alone(
    problems: Callable[..., list[str]], parse_changed: Callable[..., SweepSpec]
) -> None:
    table = {"protocol": "nasbench201", "table": {"path": "t.csv"}}
    found = problems(experiment__evaluation={**table, "retrain_seeds": [0, 1]})
    assert [problem.partition(":")[0] for problem in found] == [
        "experiment.skip",
        "experiment.spaces",
        "experiment.evaluation.retrain_seeds",
    ]
    spec = parse_changed(experiment__evaluation=table, experiment__skip="searched", experiment__spaces="nasbench201")
    assert spec.experiment.evaluation.table is not None
    assert spec.experiment.evaluation.table.accuracy == "test_accuracy"


def test_methods_with_settings_have_one_label(parse_changed: Callable[..., SweepSpec]) -> None:
    spec = parse_changed(experiment__methods=["darts", {"name": "darts"}][1:])
    assert spec.experiment.methods == ("darts",)
    written = {"name": "fair_darts", "threshold": 0.5}
    (label,) = parse_changed(experiment__methods=written).experiment.methods
    assert label == "fair_darts(threshold=0.5)"
    assert parse_changed(experiment__methods=label).experiment.methods == (label,)


@pytest.mark.parametrize(
    "tracking", ["http://mlflow:5000", "postgresql+psycopg2://ann@host:5432/mlflow", "sqlite:////a:b@c/mlflow.db"]
)
def test_a_location_without_a_password_is_fine(parse_changed: Callable[..., SweepSpec], tracking: str) -> None:
    assert parse_changed(runtime__tracking=tracking).runtime.tracking == tracking


def test_storage_in_an_object_store(
    parse_changed: Callable[..., SweepSpec], problems: Callable[..., list[str]]
) -> None:
    uri = "s3://bucket/results"
    spec = parse_changed(runtime__storage=uri, runtime__tracking="http://localhost:5000")
    assert spec.runtime.storage == uri
    (found,) = problems(runtime__storage=uri)
    assert found.startswith(
        "runtime.tracking: must name a server (http://...) or an SQLite file (sqlite:///...) where "
    )
    (found,) = problems(runtime__storage="ftp://host/results", runtime__tracking="http://localhost:5000")
    assert found == "runtime.storage: must be a folder or a URI that begins with one of s3://, gs://; found ftp://"
    (found,) = problems(runtime__storage="s3://me:hidden@bucket", runtime__tracking="http://localhost:5000")
    assert found.startswith("runtime.storage: must hold no credentials")
    assert "hidden" not in found
