"""The examples in Python: what they build can run, and the script runs."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path
from unittest.mock import MagicMock

import pytest

import aca_ray

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "experiments" / "python_api.py"
(README_EXAMPLE,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
(PACKAGE_EXAMPLE,) = re.findall(r"(?m)(?:^(?:    .*)?\n)+", (aca_ray.__doc__ or "").partition("\n")[2])


@pytest.mark.parametrize("example", [README_EXAMPLE, PACKAGE_EXAMPLE], ids=["readme", "package"])
def test_the_sweeps_of_the_short_examples_can_run(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    checked = []
    monkeypatch.setattr(aca_ray, "run", lambda spec: checked.append(aca_ray.check(spec)) or MagicMock(), raising=False)
    exec(textwrap.dedent(example), {})
    assert [len(plan.searches) for _, plan in checked] == [12]


def test_the_sweeps_of_the_script_can_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    _, first, loop, *_ = SCRIPT.read_text(encoding="utf-8").split("# %%")
    names: dict[str, object] = {}
    exec(f"#{first}#{loop}", names)
    spec = names["spec"]
    assert isinstance(spec, aca_ray.SweepSpec)
    assert len(aca_ray.check(spec)[1].searches) == 4
    for channels in (4, 8):
        written, plan = aca_ray.check(tmp_path / f"digits-{channels}.yaml")
        assert written.experiment.network.channels == channels
        assert plan.num_look_ups


@pytest.mark.slow
def test_the_script_runs(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "14 trials: 14 finished" in done.stdout
    assert {trial.state for trial in aca_ray.load("python-api", storage=tmp_path / "results").trials} == {"finished"}
