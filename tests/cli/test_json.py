"""Output for other programs: JSON alone on standard output, and everything else on standard error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray import api
from aca_ray.catalog import CATALOGS, Catalog
from aca_ray.cli import main
from aca_ray.sweep.orders import all_orders

SPEC = """name: {name}
experiment:
  methods: darts
  skip: searched
  seeds: [0]
  epochs: 2
  data: {{name: digits, max_train_images: 64}}
  network: {{channels: 4, cells: 3}}
  retraining: {{protocol: small}}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory with two sweeps, in one of which a search has begun."""
    monkeypatch.chdir(tmp_path)
    for name in ("begun", "new"):
        (tmp_path / f"{name}.yaml").write_text(SPEC.format(name=name))
        api.create(f"{name}.yaml")
    (search, _) = all_orders(api.find("begun"))
    trial = search.open(torch.device("cpu"))
    assert trial.advance() is not None  # an epoch
    trial.save()
    return tmp_path


def value_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    """Return the JSON value that a command line prints."""
    assert main(arguments) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return json.loads(captured.out)


@pytest.mark.parametrize("kind", CATALOGS)
def test_list_as_json(capsys: pytest.CaptureFixture[str], kind: str) -> None:
    value, catalog = value_of(capsys, "list", kind, "--json"), CATALOGS[kind]()
    assert set(value) == {kind, "note"}
    assert [entry["name"] for entry in value[kind]] == [row[0].split()[0] for row in catalog.rows]
    assert {len(entry) for entry in value[kind]} == {len(catalog.header) + 1}
    assert all(key.isidentifier() for entry in value[kind] for key in entry)
    marked = {entry["name"]: entry["default"] for entry in value[kind] if entry["default"]}
    assert len(marked) == sum("default" in row[0] for row in catalog.rows)
    assert set(marked.values()) <= {"always", "with a table only"}


def test_numbers_of_a_catalog_are_numbers() -> None:
    catalog = Catalog("Things", ("thing", "own keys (default)", "lr"), (("a (default)", "600", "0.025"),), 2)
    assert catalog.objects == [{"name": "a", "default": "always", "own_keys": 600, "lr": 0.025}]


def test_status_and_trials_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = value_of(capsys, "status", "begun", "--json")
    assert (value["sweep"], value["running"], value["report"]) == ("begun", False, None)
    assert value["folder"] == str(folder / "results" / "begun")
    assert value["counts"] == {"running": 1, "waiting": 1}
    assert len(value["spec_written_ms"]) == 1
    search, retraining = value["trials"]
    assert (search["kind"], search["state"], search["epoch"], search["of"]) == ("search", "running", 1, 2)
    assert 0 <= search["metrics"]["search_valid/accuracy"] <= 1
    assert search["seconds_left"] == pytest.approx(search["seconds"])
    assert (retraining["kind"], retraining["state"], retraining["of"]) == ("retraining", "waiting", None)
    assert value_of(capsys, "list", "trials", "begun", "--json") == {"trials": value["trials"]}


def test_all_sweeps_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    value = value_of(capsys, "status", "--json")
    assert value == value_of(capsys, "list", "sweeps", "--json")
    assert [(sweep["sweep"], sweep["counts"]) for sweep in value["sweeps"]] == [
        ("begun", {"running": 1, "waiting": 1}),
        ("new", {"waiting": 2}),
    ]
    assert value_of(capsys, "status", "--json", "--storage", "none")["sweeps"] == []


def test_a_damaged_record_is_told_on_standard_error(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (record,) = (folder / "results" / "begun").glob("searches/*/record.json")
    record.write_text("{")
    assert main(["status", "begun", "--json"]) == 2
    captured = capsys.readouterr()
    value = json.loads(captured.out)
    assert value["counts"] == {"unreadable": 1, "waiting": 1}
    assert captured.err.strip() == value["trials"][0]["error"]


def test_watching_a_sweep_that_nobody_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "begun", "--watch"]) == 0
    captured = capsys.readouterr()
    first, line, *_, last = captured.out.splitlines()
    assert (first, last) == ("2 trials", "2 trials: 1 running, 1 waiting; not running")
    assert "search darts/searched seed 0  epoch 1/2  loss " in line
    assert "\033" not in captured.out
    assert len(captured.err.splitlines()) == 1
    assert main(["status", "begun", "--watch", "--json"]) == 0
    trial, summary = map(json.loads, capsys.readouterr().out.splitlines())
    assert (trial["event"], trial["state"]) == ("trial", "running")
    assert (summary["event"], summary["sweep"], summary["running"]) == ("summary", "begun", False)
    assert main(["status", "--watch"]) == 2
    assert capsys.readouterr().err.startswith("--watch: ")


@pytest.mark.parametrize("both", [("--json", "--quiet"), ("--quiet", "--verbose"), ("--json", "--verbose")])
def test_outputs_exclude_each_other(both: tuple[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["run", "spec.yaml", *both])
    assert caught.value.code == 2
    assert both[1] in capsys.readouterr().err


def test_tracebacks_of_errors_are_shown_on_demand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "none.yaml", "--local"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert main(["run", "none.yaml", "--local", "--verbose"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("none.yaml: ")
