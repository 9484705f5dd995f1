"""A new spec: every key, valid as it is, and never over an existing file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from aca_ray import api
from aca_ray.cli import main
from aca_ray.config import parse_spec
from aca_ray.config.new_spec import new_spec
from aca_ray.config.schema import ExperimentSpec, NetworkSpec, RetrainingSpec, RuntimeSpec, SweepSpec, TableSpec
from aca_ray.sweep.planning import plan_sweep
from aca_ray.sweep.vocabulary import vocabulary


def test_it_is_written_once_and_passes_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "new/my first.yaml"]) == 0
    path = tmp_path / "new" / "my first.yaml"
    text = path.read_text(encoding="utf-8")
    spec = parse_spec(text, vocabulary(path.parent))
    assert spec.name == "my_first"
    plan_sweep(spec, path.parent)
    assert main(["init", "new/my first.yaml"]) == 2
    assert capsys.readouterr().err.startswith("new/my first.yaml: must be a new file")
    assert path.read_text(encoding="utf-8") == text
    assert main(["init"]) == 0
    assert parse_spec((tmp_path / "sweep.yaml").read_text(), vocabulary(tmp_path)).name == "sweep"


FROM = """\
name: old
description: "Two: lines,\\nand [brackets]"
experiment:
  methods: [darts, {name: fair_darts, threshold: 0.5}]
  spaces: {base: darts, operations: [skip_connect, sep_conv_3x3], normal: {0->3: []}}
  data: {name: digits, max_train_images: 64}
  seeds: [0, 1]
  epochs: 10
  network: {channels: 4, cells: 3}
  retraining: %s
"""


@pytest.mark.parametrize("retraining", ["null", "{}", "{protocol: {base: small, epochs: 1}}"])
def test_from_a_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], retraining: str
) -> None:
    """The new spec has the values of the other one, and the meaning of every key."""
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text(FROM % retraining)
    assert main(["init", "new/next.yaml", "--from", "old.yaml"]) == 0
    text = Path("new/next.yaml").read_text()
    old, new = (parse_spec(one, vocabulary(tmp_path)) for one in (Path("old.yaml").read_text(), text))
    assert new == old.model_copy(update={"name": "next"})
    assert re.search("(?m)^ *# batch_size: null$", text)
    assert text.count("\n  # controls:") == 1


@pytest.mark.parametrize("table", ["nasbench201", "{path: table.parquet}"])
def test_from_a_spec_with_a_table(tmp_path: Path, table: str) -> None:
    """A table is a name or a section."""
    text = new_spec("x", yaml.safe_load(f"experiment: {{methods: darts, data: digits, table: {table}}}"))
    assert yaml.safe_load(text)["experiment"]["table"] == yaml.safe_load(table)


def test_from_a_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("old.yaml").write_text(FROM % "{protocol: small}")
    api.create("old.yaml")
    Path("old.yaml").unlink()
    assert main(["init", "next.yaml", "--from", "old"]) == 0
    assert parse_spec(Path("next.yaml").read_text(), vocabulary(tmp_path)).experiment == api.find("old").spec.experiment


@pytest.mark.parametrize("source", ["absent.yaml", "absent", "bad.yaml"])
def test_from_nothing_usable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], source: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.yaml").write_text("name: x\nexperiment: {methods: dart, data: digits, sed: 0}")
    assert main(["init", "new.yaml", "--from", source]) in (1, 2)
    assert {"absent.yaml": "absent.yaml", "absent": "absent", "bad.yaml": "mean darts?"}[
        source
    ] in capsys.readouterr().err
    assert not Path("new.yaml").exists()


@pytest.mark.parametrize("name", ["/proc/none/sweep.yaml", "nul\0.yaml"])
def test_a_path_that_cannot_be_written_is_named(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["init", name]) == 1
    assert capsys.readouterr().err.startswith(f"{name}: cannot be written")


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").symlink_to(tmp_path / "target")
    assert main(["init", str(tmp_path / "sweep.yaml")]) == 2
    assert not (tmp_path / "target").exists()


def test_every_key_has_its_meaning_and_default() -> None:
    text = new_spec("x")
    unwrapped = re.sub(r"\n *# (?![a-z_]+:)", " ", text)
    for model in (SweepSpec, ExperimentSpec, NetworkSpec, RetrainingSpec, TableSpec, RuntimeSpec):
        for key, field in model.model_fields.items():
            assert re.search(rf"(?m)^ *(# )?{key}:", text), key
            assert " ".join((field.description or "").split()) in unwrapped, key


def test_keys_behind_a_mark_have_their_defaults() -> None:
    """A spec whose marks are removed is the same spec, but for keys that exclude others or have no value to show."""
    text = new_spec("x")
    lines = text.splitlines()
    known = {key for model in (ExperimentSpec, RuntimeSpec, SweepSpec) for key in model.model_fields} - {"table"}
    table = lines.index("  # table:")
    end = next(number for number in range(table + 1, len(lines)) if lines[number] == "  retraining:")
    shown = [*lines[:table], *lines[end:]]
    active = [re.sub(rf"^( *)# ({'|'.join(known | {'table'})}):", r"\1\2:", line) for line in shown]
    assert active != shown
    assert yaml.safe_load("\n".join(active))["runtime"]["max_failures"] == 3
    names = vocabulary(Path())
    assert parse_spec("\n".join(active), names) == parse_spec(text, names)


@pytest.mark.parametrize(
    ("given", "name"), [("_a b-", "a_b"), ("...", "sweep"), ("ü", "sweep"), ("x" * 200, "x" * 100)]
)
def test_its_name_is_valid_whatever_the_file_is_called(given: str, name: str) -> None:
    assert parse_spec(new_spec(given), vocabulary(Path())).name == name
