"""A new spec: every key, valid as it is, and never over an existing file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

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
