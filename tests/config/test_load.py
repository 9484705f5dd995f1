"""Invalid specs: all mistakes are reported together, each with its place and the nearest known name."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from aca_ray.config import SweepSpec, Vocabulary, load_spec
from aca_ray.config.combinations import MAX_TRIALS
from aca_ray.config.several import MAX_ENTRIES
from aca_ray.errors import ConfigError
from aca_ray.retraining import PROTOCOLS

Problems = Callable[..., list[str]]

AT_LEAST = "must be at least"


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("name", ..., "name: is required and missing"),
        ("name", "", "name: must be 1 to 100 letters"),
        ("name", "a/b", "name: must be 1 to 100 letters"),
        ("name", "../up", "name: must be 1 to 100 letters"),
        ("name", "-leading", "name: must be 1 to 100 letters"),
        ("name", "a" * 101, "name: must be 1 to 100 letters"),
        ("name", "two\nlines", "name: must be 1 to 100 letters"),
        ("name", 5, "name: must be text, found 5"),
        ("description", [1], "description: must be text, found [1]"),
        ("experiment", ..., "experiment: is required and missing"),
        ("experiment", None, "experiment: must be a mapping with the keys "),
        ("experiment__methods", ..., "experiment.methods: is required and missing"),
        ("experiment__methods", [], "experiment.methods: "),
        ("experiment__methods", [1], "experiment.methods[0]: "),
        (
            "experiment__methods",
            [{"name": "dart"}],
            "experiment.methods[0]: unknown method 'dart'. Did you mean darts?",
        ),
        ("experiment__methods", [{"lr": 1}], "experiment.methods[0]: "),
        (
            "experiment__methods",
            {"name": "darts", "warmth": 1},
            "experiment.methods[0].warmth: unknown setting 'warmth'",
        ),
        ("experiment__methods", ["darts", "pc-dart"], "experiment.methods[1]: unknown method 'pc-dart'. Did you mean"),
        ("experiment__methods", ["darts", "darts"], "experiment.methods: lists 'darts' twice"),
        ("experiment__plugins", 5, "experiment.plugins: must be a list of files (NAME.py) and modules, found 5"),
        ("experiment__plugins", [1], "experiment.plugins[0]: must be the path"),
        ("experiment__plugins", "absent.py", "experiment.plugins[0]: "),
        ("experiment__plugins", ["no_such_module"], "experiment.plugins[0]: no_such_module: cannot be imported"),
        ("experiment__skip", "search", "experiment.skip[0]: must be 'searched' or 'allocated', found 'search'"),
        ("experiment__skip", [], "experiment.skip: "),
        (
            "experiment__table",
            {},
            "experiment.table.path: is required and missing",
        ),
        (
            "experiment__table",
            "nasbench101",
            "experiment.table: unknown table 'nasbench101'. Did you mean nasbench201?",
        ),
        ("experiment__table", 201, "experiment.table: must be text"),
        (
            "experiment__skip_free",
            "perhaps",
            "experiment.skip_free: must be true or false",
        ),
        ("experiment__data_pruning", "bpd", "experiment.data_pruning: unknown data pruner 'bpd'. Did you mean bdp?"),
        ("experiment__spaces", "dart", "experiment.spaces[0]: unknown space 'dart'. Did you mean darts?"),
        ("experiment__spaces", ["darts", "darts"], "experiment.spaces: lists 'darts' twice"),
        ("experiment__data", ..., "experiment.data: is required and missing"),
        ("experiment__data", "digit", "experiment.data[0].name: unknown data set 'digit'. Did you mean digits?"),
        ("experiment__data", [{}], "experiment.data[0].name: is required"),
        ("experiment__data", [3], "experiment.data[0]: must be a mapping"),
        (
            "experiment__data",
            ["digits", {"name": "digits", "max_train_image": 9}],
            "experiment.data[1].max_train_image: unknown key 'max_train_image'. Did you mean max_train_images?",
        ),
        (
            "experiment__data",
            {"name": "digits", "max_train_images": 3},
            "experiment.data[0].max_train_images: must be an integer of at least 4, found 3",
        ),
        (
            "experiment__data",
            {"name": "parquet", "train": "none.parquet", "test": "s3://bucket/test.parquet"},
            "experiment.data[0].train: no ",
        ),
        ("experiment__data", ["digits", {"name": "digits"}], "experiment.data: lists {'name': 'digits'} twice"),
        ("experiment__seeds", ..., "experiment.seeds: is required and missing"),
        ("experiment__seeds", [0, -1], f"experiment.seeds[1]: {AT_LEAST} 0, found -1"),
        ("experiment__seeds", 2**31, "experiment.seeds[0]: must be less than 2147483648, found 2147483648"),
        ("experiment__seeds", "0", "experiment.seeds[0]: must be an integer, found '0'"),
        ("experiment__seeds", [True], "experiment.seeds[0]: must be an integer, found True"),
        ("experiment__seeds", [1.0], "experiment.seeds[0]: must be an integer, found 1.0"),
        ("experiment__seeds", [3, 4, 3], "experiment.seeds: lists 3 twice"),
        ("experiment__epochs", ..., "experiment.epochs: is required and missing"),
        ("experiment__epochs", [4, 0], f"experiment.epochs[1]: {AT_LEAST} 1, found 0"),
        ("experiment__epochs", [4, 4], "experiment.epochs: lists 4 twice"),
        ("experiment__network", 3, "experiment.network: must be a mapping with the keys "),
        ("experiment__network", {"channels": 0}, f"experiment.network.channels: {AT_LEAST} 1, found 0"),
        ("experiment__network", {"channels": "4"}, "experiment.network.channels: must be an integer"),
        ("experiment__network", {"cells": 2}, f"experiment.network.cells: {AT_LEAST} 3, found 2"),
        ("experiment__network", {"cell": 5}, "experiment.network.cell: unknown key 'cell'. Did you mean cells?"),
        ("experiment__batch_size", 1, f"experiment.batch_size: {AT_LEAST} 2, found 1"),
        ("experiment__batch_size", 8.5, "experiment.batch_size: must be an integer"),
        (
            "experiment__precision",
            "float16",
            "experiment.precision: must be 'float32' or 'bfloat16', found 'float16'",
        ),
        ("experiment__precision", None, "experiment.precision: must be 'float32' or 'bfloat16', found None"),
        ("experiment__ranking", "tailor", "experiment.ranking[0]: unknown ranker 'tailor'. Did you mean taylor?"),
        (
            "experiment__allocation",
            "signs",
            "experiment.allocation[0]: unknown allocation rule 'signs'. Did you mean sign?",
        ),
        ("experiment__allocation", ["sign", "uniform"], "experiment.allocation[1]: unknown allocation rule 'uniform'"),
        ("experiment__ranking", ["l1", "fisher", "l1"], "experiment.ranking: lists 'l1' twice"),
        ("experiment__ranking", [], "experiment.ranking: "),
        ("experiment__allocation", ["otsu", "otsu"], "experiment.allocation: lists 'otsu' twice"),
        (
            "experiment__retraining",
            {"protocol": "smal"},
            "experiment.retraining.protocol: unknown protocol 'smal'. Did you mean small?",
        ),
        (
            "experiment__retraining",
            {"protocol": ["small"]},
            "experiment.retraining.protocol: ",
        ),
        (
            "experiment__retraining",
            {"protocol": {"epochs": 5}},
            "experiment.retraining.protocol.base: is required",
        ),
        (
            "experiment__retraining",
            {"seeds": [0, -3]},
            f"experiment.retraining.seeds[1]: {AT_LEAST} 0, found -3",
        ),
        ("experiment__retraining", {"seeds": []}, "experiment.retraining.seeds: "),
        (
            "experiment__controls",
            ["uniform", "randon"],
            "experiment.controls[1]: unknown control 'randon'. Did you mean random?",
        ),
        (
            "experiment__controls",
            ["uniform"] * 2,
            "experiment.controls: lists 'uniform' twice",
        ),
        ("experiment__controls", "sign", "experiment.controls[0]: unknown control 'sign'"),
        ("experiment__seed", [1], "experiment.seed: unknown key 'seed'. Did you mean seeds?"),
        ("runtime__storage", 5, "runtime.storage: must be text, found 5"),
        ("runtime__tracking", 5, "runtime.tracking: must be text, found 5"),
        ("runtime__cpus_per_trial", 0, f"runtime.cpus_per_trial: {AT_LEAST} 1, found 0"),
        ("runtime__cpus_per_trial", 1.5, "runtime.cpus_per_trial: must be an integer"),
        ("runtime__gpus_per_trial", -1, "runtime.gpus_per_trial: must be a number from 0 to 1"),
        ("runtime__gpus_per_trial", float("inf"), "runtime.gpus_per_trial: must be a number from 0 to 1"),
        ("runtime__gpus_per_trial", float("nan"), "runtime.gpus_per_trial: must be a number from 0 to 1"),
        (
            "runtime__accelerator_type",
            "",
            "runtime.accelerator_type: string should have at least 1 character, found ''",
        ),
        ("runtime__pack", 0, "runtime.pack: must be an integer of at least 1, or auto; found 0"),
        ("runtime__pack", "many", "runtime.pack: must be an integer of at least 1, or auto; found 'many'"),
        ("runtime__pack", True, "runtime.pack: must be an integer of at least 1, or auto; found True"),
        ("runtime__max_concurrent", 0, f"runtime.max_concurrent: {AT_LEAST} 1, found 0"),
        ("runtime__max_failures", -1, f"runtime.max_failures: {AT_LEAST} 0, found -1"),
        ("runtime__address", 1, "runtime.address: must be text, found 1"),
        ("runtime__address", "ray://head:10001", "runtime.address: must be the HOST:PORT"),
        (
            "runtime__cpu_per_trial",
            1,
            "runtime.cpu_per_trial: unknown key 'cpu_per_trial'. Did you mean cpus_per_trial?",
        ),
        ("experimnt", 1, "experimnt: unknown key 'experimnt'. Did you mean experiment?"),
    ],
)
def test_one_mistake(problems: Problems, place: str, value: Any, problem: str) -> None:
    found = problems(**{place: value})
    assert len(found) == 1, found
    assert found[0].startswith(problem)


@pytest.mark.parametrize(
    ("place", "value", "problem"),
    [
        ("experiment__network", {"channels": 10**6}, "experiment.network.channels: .* 4096, found 1000000"),
        ("experiment__network", {"cells": 1001}, "experiment.network.cells: .* 1000, found 1001"),
        (
            "experiment__network",
            {"channels": 1024, "cells": 8},
            r"experiment\.network: channels \* channels \* cells .*1,000,000.*8,388,608",
        ),
        ("experiment__epochs", 10**9, r"experiment\.epochs\[0\]: .* 1000000, found 1000000000"),
        ("experiment__batch_size", 10**9, r"experiment\.batch_size: .* 1000000, found"),
        ("experiment__seeds", list(range(10_001)), r"experiment\.seeds: .*10,001.*10,000"),
        ("experiment__seeds", [0, 10**4000], r"experiment\.seeds\[1\]: .* characters\)$"),
        ("runtime__cpus_per_trial", 10**6, r"runtime\.cpus_per_trial: .* 4096, found"),
        ("runtime__pack", 10**6, r"runtime\.pack: must be"),
        ("runtime__gpus_per_trial", 2, r"runtime\.gpus_per_trial: must be a number from 0 to 1, .* found 2\. Set 1"),
        (
            "runtime__gpus_per_trial",
            1.5,
            r"runtime\.gpus_per_trial: must be a number from 0 to 1, .* found 1\.5\. Set 1",
        ),
        ("runtime__accelerator_type", ["x" * 5000], r"runtime\.accelerator_type: .* characters\)$"),
    ],
)
def test_absurd_sizes(problems: Problems, place: str, value: Any, problem: str) -> None:
    found = problems(**{place: value})
    assert re.match(problem, found[-1]), found
    assert len(found[-1]) < 500


@pytest.mark.parametrize(
    ("place", "value", "rule", "fix"),
    [
        ("name", "my sweep", "name: must be 1 to 100 letters.*; found 'my sweep'", "Write my_sweep"),
        ("name", "..", r"name: must be 1 to 100 letters.*; found '\.\.'", "Write another name"),
        ("name", 5, "name: must be text, found 5", "Write '5', in quotes"),
        (
            "experiment__retraining",
            "small",
            "experiment.retraining: must be a mapping with the keys protocol and seeds; found 'small'",
            "Write {protocol: small}",
        ),
        (
            "experiment__network",
            16,
            "experiment.network: must be a mapping with the keys channels, cells, found 16",
            "",
        ),
        ("experiment__seeds", "0-5", r"experiment.seeds\[0\]: .* integer, found '0-5'", "the list [0, 1, 2, 3, 4, 5]"),
        ("experiment__seeds", ["3..4"], r"experiment.seeds\[0\]: .* integer, found '3..4'", "the list [3, 4]"),
        (
            "experiment__seeds",
            "0-99",
            r"experiment.seeds\[0\]: .* integer, found '0-99'",
            "a list with all of its numbers",
        ),
        (
            "experiment__seeds",
            "5-0",
            r"experiment.seeds\[0\]: .* integer, found '5-0'",
            "a list with all of its numbers",
        ),
        ("experiment__seeds", "few", r"experiment.seeds\[0\]: .* integer, found 'few'", ""),
        ("experiment__epochs", "50", r"experiment.epochs\[0\]: .* integer, found '50'", "Write 50, without quotes"),
        (
            "runtime__gpus_per_trial",
            True,
            "runtime.gpus_per_trial: must be a number.*; found True",
            "Write 1 for a GPU",
        ),
        ("runtime__gpus_per_trial", "1", "runtime.gpus_per_trial: must be a number.*; found '1'", "Write 1 for a GPU"),
        (
            "runtime__address",
            "http://h:8265",
            "runtime.address: must be the HOST:PORT .* or auto; found 'http://h:8265'. Write h:6379",
            "aca-ray submit SPEC --address http://h:8265",
        ),
        ("runtime__address", "ray://[::1]:10001", "runtime.address: must be .*10001'", "Write [::1]:6379"),
        ("runtime__address", "", "runtime.address: must be .* found ''", "Write HOST:6379"),
        (
            "runtime__tracking",
            "localhost:5000",
            "runtime.tracking: must be null.*; found",
            "Write http://localhost:5000",
        ),
        ("runtime__tracking", "./mlruns", r"runtime.tracking: must be null.*sqlite://.*; found '\./mlruns'", ""),
        ("runtime__tracking", "sqlite://mlflow.db", "runtime.tracking: must be sqlite:///PATH", "four slashes"),
    ],
)
def test_common_mistakes_have_a_fix(problems: Problems, place: str, value: Any, rule: str, fix: str) -> None:
    (problem,) = problems(**{place: value})
    assert re.match(rule, problem), problem
    assert fix in problem
    assert bool(fix) or ". Write" not in problem


def test_invalid_paths(problems: Problems) -> None:
    path = "x" * 5000
    (problem,) = problems(experiment__data={"name": "parquet", "train": path, "test": path})
    assert problem.startswith("experiment.data[0]")


def test_unknown_key_of_an_optional_section(problems: Problems) -> None:
    table = {"path": "nb201.csv", "acuracy": "test"}
    (problem,) = problems(experiment__table=table)
    assert problem.startswith("experiment.table.acuracy: unknown key 'acuracy'. Did you mean accuracy?")


def test_more_trials_than_a_sweep_can_have(problems: Problems, parse_changed: Callable[..., SweepSpec]) -> None:
    # searched and allocated: 2 searches, and 3 retrainings (searched, skip-free, allocated), a seed and budget
    grid = {"experiment__seeds": list(range(5000)), "experiment__methods": "darts"}
    assert len(parse_changed(**grid, experiment__epochs=[1, 2, 3, 4]).experiment.seeds) == 5000
    (problem,) = problems(**grid, experiment__epochs=[1, 2, 3, 4, 5])
    assert problem.startswith("experiment: asks for 125,000 ")
    assert f"{MAX_TRIALS:,}" in problem


@pytest.mark.parametrize(
    ("changes", "trials"),
    [
        ({}, 2 + 3),
        ({"skip": "searched"}, 1 + 1),
        ({"retraining": {"seeds": [0, 1, 2]}}, 2 + 3 * 3),
        ({"skip_free": False}, 2 + 2),
        ({"controls": ["uniform", "random"]}, 2 + 1 + 1 + 3),
        ({"ranking": ["l1", "fisher"], "allocation": ["sign", "otsu"]}, 2 + 1 + 1 + 4),
        ({"ranking": ["l1", "fisher"], "allocation": "otsu", "controls": "random"}, 2 + 1 + 1 + 2 * 2),
        ({"spaces": "nasbench201", "table": "nasbench201"}, 2 + 3),
        (
            {
                "spaces": "nasbench201",
                "table": "nasbench201",
                "retraining": {"protocol": "small", "seeds": [0, 1]},
            },
            2 + 3 * (2 + 1),
        ),
    ],
)
def test_every_trial_is_counted(problems: Problems, changes: dict[str, Any], trials: int) -> None:
    seeds = MAX_TRIALS // trials + 1
    epochs = list(range(1, seeds // MAX_ENTRIES + 2))  # no list is longer than MAX_ENTRIES
    seeds = -(-seeds // len(epochs))
    places = {f"experiment__{key}": value for key, value in changes.items()}
    (problem,) = problems(**places, experiment__seeds=list(range(seeds)), experiment__epochs=epochs)
    assert problem.startswith(f"experiment: asks for {seeds * len(epochs) * trials:,} ")


@pytest.mark.parametrize("share", [0, 0.25, 1, 1.0])
def test_shares_of_a_gpu(parse_changed: Callable[..., SweepSpec], share: float) -> None:
    assert parse_changed(runtime__gpus_per_trial=share).runtime.gpus_per_trial == share


@pytest.mark.parametrize(
    "tracking",
    [
        "http://ann:hidden@mlflow:5000",
        "postgresql+psycopg2://ann:hidden/@host/mlflow",
        "postgresql://host/mlflow?user=ann&password=hidden",
        "http://:hidden[@mlflow",
    ],
)
def test_a_password_is_refused_and_not_repeated(problems: Problems, tracking: str) -> None:
    (problem,) = problems(runtime__tracking=tracking)
    assert problem.startswith("runtime.tracking: contains a password")
    assert "PGPASSWORD" in problem
    assert "hidden" not in problem


def sections_of(annotation: Any) -> list[type[BaseModel]]:
    """Return the section of a field, which may be optional, or nothing."""
    options = [annotation, *get_args(annotation)]
    return [option for option in options if isinstance(option, type) and issubclass(option, BaseModel)]


def test_every_field_has_a_mistake_above() -> None:
    """The table above tries at least one mistake in every field of a spec."""
    (parameters,) = (mark for mark in test_one_mistake.pytestmark if mark.name == "parametrize")
    tried = {
        (place, key) for place, value, _ in parameters.args[1] for key in (value if isinstance(value, dict) else [None])
    }
    places = {place if key is None or place.endswith("data") else f"{place}__{key}" for place, key in tried}
    model = SweepSpec.model_fields
    expected = {"name", "description", "experiment"}
    for part in ("experiment", "runtime"):
        fields = model[part].annotation.model_fields
        for name, field in fields.items():
            nested = [inner for section in sections_of(field.annotation) for inner in section.model_fields]
            expected |= {f"{part}__{name}__{inner}" for inner in nested} if nested else {f"{part}__{name}"}
    assert expected <= places


def test_all_mistakes_are_reported(problems: Problems) -> None:
    found = problems(
        name="a b",
        experiment__methods=["darts", "dart", "pc_dart"],
        experiment__data=[{"name": "digits", "max_test_images": 1, "shuffle": True}, "cifar"],
        experiment__seeds=[0, -1],
        experiment__retraining={"protocol": {"base": "cifar", "epochs": 0, "channel": 16, "momentum": 1}},
        runtime__max_concurent=2,
    )
    assert [problem.partition(": ")[0] for problem in found] == [
        "name",
        "experiment.methods[1]",
        "experiment.methods[2]",
        "experiment.data[0].shuffle",
        "experiment.data[0].max_test_images",
        "experiment.data[1].name",
        "experiment.seeds[1]",
        "experiment.retraining.protocol.channel",
        "experiment.retraining.protocol.epochs",
        "experiment.retraining.protocol.momentum",
        "runtime.max_concurent",
    ]


def test_unknown_name_lists_the_known_ones(problems: Problems) -> None:
    (problem,) = problems(experiment__retraining={"protocol": "zzz"})
    known = ", ".join(sorted(PROTOCOLS))
    assert problem.startswith("experiment.retraining.protocol: unknown protocol 'zzz'")
    assert problem.endswith(known)
    assert "Did you mean" not in problem


EXPERIMENT = "experiment: {methods: darts, data: digits, seeds: 0, epochs: 2}\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("name: a\nname: b\n" + EXPERIMENT, "spec: line 2: key 'name' is given twice"),
        (
            "name: a\nexperiment:\n  methods: darts\n  data: digits\n  seeds: 0\n  epochs: 2\n  methods: pc_darts\n",
            "spec: line 7: key 'methods' is given twice",
        ),
        (
            "name: a\nexperiment:\n  data:\n    - {name: digits, name: cifar10}\n",
            "spec: line 4: key 'name' is given twice",
        ),
        ("name: a\n? [1, 2]\n: 3\n", "spec: line 2: a key must be a string, found \\[1, 2\\]"),
        ("name: a\nexperiment: [\n", "spec: is not valid YAML: .* line 3"),
        ("name: a\n\texperiment: 1\n", "spec: is not valid YAML: .* line 2"),
        ("name: 'a\n", "spec: is not valid YAML: "),
        ("name: a\x07\n", "spec: is not valid YAML: "),
        ("name: *anchor\n", "spec: is not valid YAML: .*anchor"),
        ("name: !!python/object/apply:os.system [exit]\n", "spec: name .*python/object/apply"),
        (f"name: a\ndescription: 2024-99-99\n{EXPERIMENT}", r"spec: description \(line 2\): .*2024-99-99 as a date"),
        ("[" * 1000, "spec: is not valid YAML: "),
        ("", "spec: must be a mapping with the keys name, description, experiment, runtime"),
        ("- name: a\n", "spec: must be a mapping with the keys "),
        ("just text", "spec: must be a mapping with the keys "),
        ("name: a\n---\nname: b\n", "spec: is not valid YAML: expected a single document"),
    ],
)
def test_texts_that_are_not_specs(parse: Callable[[str], SweepSpec], text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        parse(text)
    assert len(caught.value.problems) == 1


def test_equal_keys_of_different_mappings_are_allowed(parse: Callable[[str], SweepSpec]) -> None:
    spec = parse("name: a\nexperiment: {methods: darts, data: [{name: digits}], seeds: 0, epochs: 2}\n")
    assert spec.experiment.data[0]["name"] == "digits"


def test_files(tmp_path: Path, known: Vocabulary) -> None:
    path = tmp_path / "spec.yaml"
    with pytest.raises(ConfigError, match=r"spec\.yaml: cannot be read \(No such file.*give the path"):
        load_spec(path, known)
    with pytest.raises(ConfigError, match=r"cannot be read \(Is a directory"):
        load_spec(tmp_path, known)
    path.write_bytes(b"name: \xff\xfe")
    with pytest.raises(ConfigError, match=r"spec\.yaml: is not UTF-8"):
        load_spec(path, known)
    path.write_text("name: [")
    with pytest.raises(ConfigError, match=r"spec\.yaml: is not valid YAML"):
        load_spec(path, known)
    path.write_text("name: a\n" + EXPERIMENT)
    assert load_spec(path, known).name == "a"


def test_relative_data_paths_are_relative_to_the_spec(tmp_path: Path, parse_changed: Callable[..., SweepSpec]) -> None:
    (tmp_path / "train.parquet").touch()
    (tmp_path / "test.parquet").touch()
    spec = parse_changed(experiment__data={"name": "parquet", "train": "train.parquet", "test": "test.parquet"})
    assert spec.experiment.data[0]["train"] == "train.parquet"  # as written: the identity must not depend on the folder
