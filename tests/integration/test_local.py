"""Sweeps in one process without Ray, and the order of trials on Ray."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


def test_a_local_sweep_resumes_on_ray_with_the_same_results(process: SweepProcess, undisturbed: SweepProcess) -> None:
    running = process.start("run", "spec.yaml", "--local")
    process.wait_for_epoch("search", 2)
    assert process.processes() == [running.pid]
    os.kill(running.pid, signal.SIGKILL)
    running.wait(timeout=180)

    running = process.start("resume", "small", "--local")
    process.wait_for_epoch("retraining", 1)
    os.kill(running.pid, signal.SIGTERM)
    assert running.wait(timeout=180) == 130, process.output()
    assert "aca-ray resume small --local" in process.output()

    code, output = process.run("resume", "small")
    assert code == 0, output
    assert process.outcome() == undisturbed.outcome()
    process.check_tracked_once()


def test_results_of_short_searches_do_not_wait_for_a_long_one(process: SweepProcess) -> None:
    spec = process.folder / "spec.yaml"
    text = spec.read_text()
    for old, new in (
        ("spaces: s3", "skip: searched\n  spaces: nasbench201"),
        ("epochs: [2, 4]", "epochs: [1, 40]"),
        ("  controls: [uniform]\n", ""),
        ("retraining: {protocol: small}", "table: nasbench201"),
    ):
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text + "runtime: {cpus_per_trial: 1}\n")
    code, output = process.run("run", "spec.yaml")
    assert code == 0, output
    times = {(record["kind"], record["trial"]["epochs"]): record["rows"][-1]["time_ms"] for record in process.records()}
    assert times["search", 1] < times["look-up", 1] < times["search", 40] < times["look-up", 40]
