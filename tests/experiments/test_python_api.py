"""The example of the Python API runs as a script."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import aca_ray

SCRIPT = Path(__file__).parents[2] / "experiments" / "python_api.py"


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "14 trials: 14 finished" in done.stdout
    for channels in (4, 8):
        spec = aca_ray.SweepSpec.load(tmp_path / f"digits-{channels}.yaml")
        assert spec.experiment.network.channels == channels
    assert {trial.state for trial in aca_ray.load("python-api", storage=tmp_path / "results").trials} == {"finished"}
