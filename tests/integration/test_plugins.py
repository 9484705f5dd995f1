"""A method from a file beside the spec, on Ray: in workers, after a kill, and from the sweep's folder alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

PLUGIN = Path(__file__).parents[2] / "experiments" / "plugins" / "tempered_darts.py"
RANKER = """
import torch
from aca_ray.channels.rankers import FixedScores, Ranker

first = Ranker("first", "minus the number", "ours", needs_data=False, needs_gradient=False,
               start=lambda edge: FixedScores(1.5 - torch.arange(edge.channels, dtype=torch.float64)))
"""


def test_a_sweep_with_plugins_survives_a_kill_and_the_loss_of_their_files(process: SweepProcess) -> None:
    spec = process.folder / "spec.yaml"
    files = process.folder / "plugins"
    files.mkdir()
    (files / "own_method.py").write_bytes(PLUGIN.read_bytes())
    (files / "own_ranker.py").write_text(RANKER)
    text = spec.read_text()
    for old, new in (
        ("methods: darts", "plugins: [plugins/own_method.py, plugins/own_ranker.py]\n  methods: tempered_darts"),
        ("controls: [uniform]", "ranking: first"),
        ("epochs: [2, 4]", "epochs: 4"),
    ):
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text)

    code, output = process.run("check", "spec.yaml", "--estimate")
    assert code == 0, output
    assert "tempered_darts" in output

    running = process.start("run", "spec.yaml")
    process.wait_for_epoch("search", 2)
    os.kill(running.pid, signal.SIGKILL)
    running.wait(timeout=180)
    for file in files.iterdir():
        file.unlink()

    code, output = process.run("resume", "small")
    assert code == 0, output
    records = process.records()
    assert {record["state"] for record in records} == {"finished"}
    assert all("own_method.py" in record["trial"]["plugins"] for record in records)
    assert any("plug-in own_ranker.py" in record["environment"] for record in records)

    code, output = process.run("rank", "small", "--ranking", "first", "random")
    assert code == 0, output
