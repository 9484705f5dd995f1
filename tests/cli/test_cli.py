"""The command line: exit codes, output streams, and bad input, which leaves no files behind."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from aca_ray import api
from aca_ray.catalog import CATALOGS
from aca_ray.cli import main
from aca_ray.config import load_spec, search_trials
from aca_ray.storage import write_checkpoint
from aca_ray.sweep.orders import all_orders
from aca_ray.sweep.vocabulary import vocabulary

if TYPE_CHECKING:
    from conftest import ObjectStore

torch.set_num_threads(1)

QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"
VERBS = (
    "init",
    "check",
    "check-plugin",
    "run",
    "resume",
    "status",
    "rank",
    "retrain",
    "export",
    "show",
    "compare",
    "doctor",
    "list",
    "submit",
    "jobs",
    "ui",
    "completion",
)
SEVERAL_MISTAKES = """name: several
experiment:
  methods: [darts, pc-dart]
  data: digit
  seeds: [0, -1]
  epochs: 2
  network: {cell: 5}
runtime: {storge: x}
"""
ITS_PROBLEMS = [
    "experiment.methods[1]: unknown method 'pc-dart'. Did you mean pc_darts?",
    "experiment.data[0].name: unknown data set 'digit'. Did you mean digits?",
    "experiment.seeds[1]: must be at least 0, found -1",
    "experiment.network.cell: unknown key 'cell'. Did you mean cells?",
    "runtime.storge: unknown key 'storge'. Did you mean storage?",
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory."""
    path = tmp_path / "work"
    path.mkdir()
    monkeypatch.chdir(path)
    return path


def python(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_help_lists_all_verbs() -> None:
    done = python("-m", "aca_ray.cli", "--help")
    assert (done.returncode, done.stderr) == (0, "")
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("    ") and line.split()]
    assert [word for word in listed if word in VERBS] == list(VERBS)


@pytest.mark.parametrize("arguments", ["'--help'", "'--version'", "'check', '--help'", "'retrain', '-h'"])
def test_help_is_light(arguments: str) -> None:
    script = (
        "import sys\nfrom aca_ray.cli import main\ntry:\n"
        f"    main([{arguments}])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'torch', 'ray', 'mlflow', 'numpy', 'pydantic', 'yaml', 'matplotlib'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = python("-c", script)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [[], ["chek"], ["check"], ["status", "--nope"]])
def test_invalid_command_lines(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert capsys.readouterr().err.startswith("usage: aca-ray")


def test_several_mistakes_in_a_separate_process(folder: Path) -> None:
    (folder / "spec.yaml").write_text(SEVERAL_MISTAKES)
    done = python("-m", "aca_ray.cli", "run", "spec.yaml")
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == len(ITS_PROBLEMS)
    for line, problem in zip(lines, ITS_PROBLEMS, strict=True):
        assert line.startswith(problem)
    assert [path.name for path in folder.iterdir()] == ["spec.yaml"]


def test_check_of_a_protocol_by_value_and_resized_images(run: Run, folder: Path) -> None:
    spec = """name: by-value
experiment:
  methods: darts
  data: {name: digits, max_train_images: 32, resize: 4}
  seeds: 0
  epochs: 2
  network: {channels: 4, cells: 3}
  retraining:
    protocol: {base: cifar, epochs: 100, channels: 16, auxiliary_weight: 0}
"""
    (folder / "spec.yaml").write_text(spec)
    code, out, errors = run("check", "spec.yaml")
    assert (code, errors) == (0, [])
    assert "10 classes of 1x4x4" in out
    assert "resized to 4x4 (antialiased bilinear)" in out
    assert out.splitlines()[-1].startswith("2 searches, 3 retrainings; ")
    (folder / "spec.yaml").write_text(spec.replace("auxiliary_weight: 0", "auxiliary_weight: 0.4"))
    code, out, errors = run("check", "spec.yaml")
    assert (code, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith("experiment.data[0]: protocol cifar(channels=16, epochs=100): the auxiliary tower ")


@pytest.mark.slow
def test_check_of_the_quickstart(folder: Path) -> None:
    done = python("-m", "aca_ray.cli", "check", QUICKSTART)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("quickstart: experiment ")
    assert lines[1].startswith("data digits: 10 classes of 1x8x8, ")
    trials = search_trials(load_spec(QUICKSTART, vocabulary(QUICKSTART.parent)).experiment)
    assert lines[-1].startswith(f"{len(trials)} searches, 0 retrainings, {3 * len(trials) // 2} look-ups")
    assert [line.split()[0] for line in lines[3:-1]] == [trial.short for trial in trials]
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_check_estimates_the_time_of_a_sweep(run: Run, folder: Path) -> None:
    spec = """name: timed
experiment:
  methods: darts
  spaces: nasbench201
  data: {name: digits, max_train_images: 32}
  seeds: [0, 1]
  epochs: 2
  network: {channels: 4, cells: 3}
  batch_size: 8
  retraining: {protocol: {base: small, epochs: 1}}
"""
    (folder / "spec.yaml").write_text(spec)
    code, out, errors = run("check", "spec.yaml", "--estimate", "--local")
    assert (code, errors) == (0, [])
    kinds = [line.split()[0] for line in out.splitlines() if re.search(r"\d:\d\d +\d:\d\d$", line)]
    assert sorted(kinds) == ["ranking", "retraining", "retraining", "search", "search"]
    assert [line.partition(":")[0] for line in out.splitlines()[-2:]] == ["work", "time"]
    assert [path.name for path in folder.iterdir()] == ["spec.yaml"]


def test_check_refuses_where_to_measure_without_an_estimate(run: Run, folder: Path) -> None:
    (folder / "spec.yaml").write_text(SEVERAL_MISTAKES)
    code, out, errors = run("check", "spec.yaml", "--local")
    assert (code, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith("--address, --local: ")


Run = Callable[..., tuple[int, str, list[str]]]


@pytest.fixture
def run(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command line here and returns exit code, output and lines of errors."""

    def carry_out(*arguments: str) -> tuple[int, str, list[str]]:
        code = main(arguments)
        captured = capsys.readouterr()
        return code, captured.out, captured.err.splitlines()

    return carry_out


@pytest.mark.parametrize("verb", ["check", "run"])
def test_missing_spec(run: Run, folder: Path, verb: str) -> None:
    code, out, errors = run(verb, "none.yaml")
    assert (code, out) == (2, "")
    (error,) = errors
    assert error.startswith("none.yaml: ")
    assert "No such file or directory" in error
    assert "YAML" in error
    assert list(folder.iterdir()) == []


def test_check_of_several_mistakes(run: Run, folder: Path) -> None:
    (folder / "spec.yaml").write_text(SEVERAL_MISTAKES)
    code, out, errors = run("check", "spec.yaml")
    assert (code, out, len(errors)) == (2, "", len(ITS_PROBLEMS))


@pytest.mark.parametrize(
    ("verb", "name"), [("resume", "quikstart"), ("status", "quikstart"), ("compare", "quikstart"), ("status", "/none")]
)
def test_unknown_sweep(run: Run, folder: Path, verb: str, name: str) -> None:
    code, out, errors = run(verb, name)
    assert (code, out) == (2, "")
    (error,) = errors
    assert error.startswith(f"no sweep {name!r} in results. ")
    assert error.endswith(": none")
    assert list(folder.iterdir()) == []


def test_status_of_an_empty_storage(run: Run, folder: Path) -> None:
    for arguments, storage in ((), "results"), (("--storage", "elsewhere"), "elsewhere"):
        code, out, errors = run("status", *arguments)
        assert (code, errors, len(out.splitlines())) == (0, [], 1)
        assert storage in out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", CATALOGS)
def test_list_names_what_a_spec_can_name(run: Run, kind: str) -> None:
    code, out, errors = run("list", kind)
    assert (code, errors) == (0, [])
    assert [line.split()[0] for line in out.splitlines()[1:]] == [row[0].split()[0] for row in CATALOGS[kind]().rows]


def test_list_of_sweeps_and_trials(run: Run, folder: Path) -> None:
    assert run("list", "sweeps") == run("status")
    code, out, errors = run("list", "trials")
    assert (code, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith("SWEEP: ")
    for kind in ("sweeps", "methods"):
        code, out, errors = run("list", kind, "small")
        assert (code, out, len(errors)) == (2, "", 1)
        assert errors[0].startswith("SWEEP: ")
        assert "small" in errors[0]


def test_status_shows_the_cost_of_checkpoints_and_of_a_preemption(run: Run, folder: Path) -> None:
    (folder / "spec.yaml").write_text(
        "name: small\nexperiment:\n  methods: darts\n  skip: searched\n  seeds: [0]\n  epochs: 2\n"
        "  data: {name: digits, max_train_images: 64}\n  network: {channels: 4, cells: 3}\n"
        "  retraining: {protocol: small}\n"
    )
    (order, *_) = all_orders(api.create("spec.yaml"))
    code, out, errors = run("status", "small")
    assert (code, errors) == (0, [])
    assert "checkpoints" not in out
    trial = order.open(torch.device("cpu"))
    while not trial.finished:
        trial.advance()
    code, out, errors = run("status", "small")
    assert (code, errors) == (0, [])
    *table, checkpoints, summary = out.splitlines()
    assert len(table) == 3
    assert checkpoints.startswith("checkpoints: ")
    assert len(re.findall(r"\d+\.\d (?:%|s)", checkpoints)) == 3
    assert "preemption" in checkpoints
    assert summary.startswith("2 trials: 1 finished, 1 waiting; ")


def test_missing_storage(run: Run, folder: Path) -> None:
    code, out, errors = run("ui", "--storage", "none")
    assert (code, out) == (2, "")
    (error,) = errors
    assert error.startswith("--storage: no folder none; ")
    assert "run a sweep" in error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        (["DARTS_V3", "--protocol", "small"], ["network: unknown genotype 'DARTS_V3'. Did you mean DARTS_V2?"]),
        (
            ["DARTS_V2", "--protocol", "smal", "--data", '{"name": "digits", "max_images": 5}'],
            ["data.max_images: unknown key 'max_images'", "protocol: unknown protocol 'smal'. Did you mean small?"],
        ),
        (["DARTS_V2", "--data", '{"name": '], ["--data: ...JSON"]),
        (
            ["DARTS_V2", "--protocol", "{base: smal, epochs: 0, chanels: 4}", "--data", "digit"],
            [
                "data.name: unknown data set 'digit'",
                "protocol.base: unknown protocol 'smal'. Did you mean small?",
                "protocol.epochs: must be an integer from 1 to 1,000,000, found 0",
                "protocol.chanels: unknown key 'chanels'. Did you mean channels?",
            ],
        ),
        (["DARTS_V2", "--protocol", "{base: small"], ["--protocol: ...YAML"]),
        (["DARTS_V2", "--data", "digits", "--protocol", "cifar"], ["protocol cifar: the auxiliary tower ...32x32"]),
    ],
)
def test_invalid_retrainings(run: Run, folder: Path, arguments: list[str], problems: list[str]) -> None:
    code, out, errors = run("retrain", *arguments)
    assert (code, out) == (2, "")
    assert len(errors) == len(problems)
    for error, problem in zip(errors, problems, strict=True):
        start, _, word = problem.partition("...")
        assert error.startswith(start)
        assert word in error
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "resume", "doctor"])
def test_address_of_another_service(folder: Path, capsys: pytest.CaptureFixture[str], verb: str) -> None:
    with pytest.raises(SystemExit) as end:
        main([verb, "spec.yaml", "--address", "http://head:8265"])
    assert end.value.code == 2
    assert "aca-ray submit" in capsys.readouterr().err
    assert list(folder.iterdir()) == []


def test_doctor_without_a_cluster(run: Run, folder: Path) -> None:
    code, out, errors = run("doctor", "--address", "127.0.0.1:1")
    assert (code, errors) == (1, [])
    assert out.startswith("problem  cluster: address: ")
    assert "127.0.0.1:1" in out
    assert "`ray start --head`" in out
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("action", [["list"], ["logs", "a-1"], ["logs", "a-1", "--follow"], ["stop", "a-1"]])
def test_missing_job_server(run: Run, action: list[str]) -> None:
    code, out, errors = run("jobs", *action, "--address", "http://127.0.0.1:1")
    assert (code, out) == (1, "")
    assert errors[0].startswith("--address: the job server at http://127.0.0.1:1 ")


def test_object_stores(run: Run, folder: Path, object_store: ObjectStore) -> None:
    uri = object_store.uri()
    code, out, errors = run("status", "--storage", uri)
    assert (code, errors) == (0, [])
    assert uri in out
    (error,) = run("resume", "none", "--storage", uri)[2]
    assert error.startswith(f"no sweep 'none' in {uri}. ")
    (error,) = run("ui", "--storage", uri)[2]
    assert error.startswith(f"runtime.tracking: {uri} ")
    assert "sqlite:///" in error
    code, _, (error,) = run("status", "--storage", "ftp://host/results")
    assert code == 2
    assert error.startswith("storage: ")
    for text in ("s3://, gs://", "found ftp://"):
        assert text in error


def test_jobs_need_an_absolute_storage(run: Run, folder: Path) -> None:
    (folder / "spec.yaml").write_text(QUICKSTART.read_text())
    code, out, errors = run("submit", "spec.yaml", "--address", "http://127.0.0.1:1")
    assert (code, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith("runtime.storage: must be absolute ")


def test_a_file_of_another_kind_is_not_a_spec(run: Run, folder: Path) -> None:
    write_checkpoint(folder / "state.ckpt", {"kind": "search"}, {"weights": torch.ones(3)})
    code, out, errors = run("check", "state.ckpt")
    assert (code, out, len(errors)) == (2, "", 1)
    assert errors[0].startswith("state.ckpt: ")


def test_evaluate_retrains_and_prints_its_folder(run: Run, folder: Path) -> None:
    data = '{"name": "digits", "max_train_images": 32, "max_test_images": 16}'
    code, out, errors = run("retrain", "DARTS_V2", "--protocol", "small", "--data", data, "--seed", "3")
    assert (code, errors) == (0, [])
    assert '"test_accuracy"' in out
    assert out.endswith("files: results/networks/DARTS_V2-small-s3\n")
    assert (folder / "results/networks/DARTS_V2-small-s3/record.json").is_file()


def test_evaluate_retrains_under_a_protocol_by_value(run: Run, folder: Path) -> None:
    data = '{"name": "digits", "max_train_images": 32, "max_test_images": 16}'
    for protocol in (
        "{base: small, epochs: 1, channels: 4, cells: 3}",
        "{cells: 3.0, channels: 4, epochs: 1, base: small}",
    ):
        code, out, errors = run("retrain", "DARTS_V2", "--protocol", protocol, "--data", data)
        assert (code, errors) == (0, [])
        place = "results/networks/DARTS_V2-small_cells_3_channels_4_epochs_1-s0"
        assert out.endswith(f"files: {place}\n")
    record = json.loads((folder / place / "record.json").read_text())
    assert record["trial"]["protocol"] == {"base": "small", "cells": 3, "channels": 4, "epochs": 1}
    assert (record["num_epochs"], record["resumes"]) == (1, 0)
    assert len(list((folder / "results/networks").iterdir())) == 1
