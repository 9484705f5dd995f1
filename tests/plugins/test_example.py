"""The example in experiments/plugins works as it is there."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from aca_ray import api
from aca_ray.cli import main

FOLDER = Path(__file__).parents[2] / "experiments" / "plugins"


def test_the_example_is_one_short_file() -> None:
    lines = [line for line in (FOLDER / "tempered_darts.py").read_text().splitlines() if line.strip()]
    assert len(lines) <= 30


def test_the_spec_of_the_example_is_valid() -> None:
    spec, plan = api.check(FOLDER / "tempered_darts.yaml")
    assert [plugin.names for plugin in spec.experiment.plugins] == [{"method": ("tempered_darts",)}]
    assert {len(planned.trial.plugins) for planned in plan.searches} == {0, 1}


@pytest.mark.slow
def test_the_example_runs_in_one_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(FOLDER, tmp_path / "specs")
    monkeypatch.chdir(tmp_path)
    assert main(["run", "specs/tempered_darts.yaml", "--local", "--quiet"]) == 0
    capsys.readouterr()
    shutil.rmtree(tmp_path / "specs")
    assert main(["resume", "tempered-darts", "--local", "--quiet"]) == 0  # from the folder alone
    capsys.readouterr()
    assert main(["status", "tempered-darts", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"] == {"finished": 12}
    page = (tmp_path / "results" / "tempered-darts" / "comparison" / "report.html").read_text()
    assert "plug-in tempered_darts.py" in page
