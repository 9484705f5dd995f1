"""Ray starts on a machine that is too busy for its first try."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

# Python runs it first in every process. Ray gives up if its agent takes longer than 15 s to start.
LATE_ONCE = """
import os, sys, time
if any("dashboard/agent.py" in word for word in sys.orig_argv):
    try:
        os.mkdir(os.environ["WAS_LATE"])
        time.sleep(60)
    except FileExistsError:
        pass
"""
START = """
from aca_ray.cluster.session import ray_session
with ray_session(None) as resources:
    print(resources["CPU"] > 0)
"""


def test_a_late_start_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LATE_ONCE)
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", START],
        env={**os.environ, "PYTHONPATH": path, "WAS_LATE": str(tmp_path / "was_late")},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "True\n"), done.stderr
    assert "Ray has not started in time; starting it again" in done.stderr
