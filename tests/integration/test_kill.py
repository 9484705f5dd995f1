"""Sweeps whose processes are really killed end exactly as the undisturbed one."""

from __future__ import annotations

import csv
import io
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from aca_ray.storage.lock import exclusive

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def test_a_trial_whose_process_dies_too_often_fails(process: SweepProcess) -> None:
    spec = process.folder / "spec.yaml"
    spec.write_text(spec.read_text() + "runtime: {max_failures: 0}\n")
    running = process.start("run", "spec.yaml")
    victim = process.wait_for_epoch("search", 1)
    os.kill(int(victim["process"].rpartition(":")[2]), signal.SIGKILL)
    assert running.wait(timeout=240) == 1, process.output()
    assert "its process died at 1 of 1 tries" in process.output()
    states = {record["fingerprint"]: record["state"] for record in process.records()}
    assert states.pop(victim["fingerprint"]) == "failed"
    assert set(states.values()) == {"finished"}
    _, _, statuses = process.tracked()
    assert statuses["FAILED"] == 1


def test_interrupting_stops_cleanly(process: SweepProcess, undisturbed: SweepProcess) -> None:
    running = process.start("run", "spec.yaml")
    process.wait_for_epoch("search", 1)
    sent = time.time()
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=60) == 130, process.output()
    assert "aca-ray resume small" in process.output()
    assert max(path.stat().st_mtime for path in process.sweep.glob("searches/*/checkpoints/*.ckpt")) >= sent
    process.wait_for(lambda: not process.processes(), seconds=30)
    _, _, statuses = process.tracked()
    assert "RUNNING" not in statuses
    finished = {r["fingerprint"]: r["rows"] for r in process.records() if r["state"] == "finished"}
    code, output = process.run("resume", "small")
    assert code == 0, output
    records = {record["fingerprint"]: record for record in process.records()}
    assert all(records[fingerprint]["rows"] == rows for fingerprint, rows in finished.items())  # not done again
    assert process.outcome() == undisturbed.outcome()
    process.check_tracked_once()
    for name in ("evaluations.csv", "comparison.csv"):
        ours, theirs = ((p.sweep / "comparison" / name).read_text() for p in (process, undisturbed))
        assert _without_measurements(ours) == _without_measurements(theirs)


def test_two_drivers_never_share_a_sweep(undisturbed: SweepProcess) -> None:
    with exclusive(undisturbed.sweep / "lock", wait=False) as free:
        assert free
        code, output = undisturbed.run("resume", "small")
    assert code == 1
    assert "another process drives this sweep" in output


def _without_measurements(text: str) -> list[dict[str, str]]:
    """Return the rows of a table without time and memory."""
    return [
        {name: value for name, value in row.items() if not name.endswith(("seconds", "bytes"))}
        for row in csv.DictReader(io.StringIO(text))
    ]
