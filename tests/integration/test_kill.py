"""Sweeps whose processes are really killed end exactly as the undisturbed one."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

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


def test_a_killed_driver_is_resumed(process: SweepProcess, undisturbed: SweepProcess) -> None:
    """From the checkpoint before the newest, which is damaged: an epoch that the record tells of is done again."""
    running = process.start("run", "spec.yaml")
    process.wait_for(lambda: bool(_checkpoints_of_a_trial_under_way(process)))
    running.kill()
    running.wait()
    for pid in process.processes("ray::TrialActor"):
        os.kill(pid, signal.SIGKILL)
    process.wait_for(lambda: not process.processes("ray::TrialActor"))
    newest = _checkpoints_of_a_trial_under_way(process)[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    finished = {r["fingerprint"]: r["rows"] for r in process.records() if r["state"] == "finished"}
    code, output = process.run("resume", "small")
    assert code == 0, output
    records = {record["fingerprint"]: record for record in process.records()}
    assert all(records[fingerprint]["rows"] == rows for fingerprint, rows in finished.items())  # not done again
    assert process.outcome() == undisturbed.outcome()
    process.check_tracked_once()
    for name in ("evaluations.csv", "comparison.csv"):
        ours, theirs = ((p.sweep / "comparison" / name).read_text() for p in (process, undisturbed))
        assert _without_seconds(ours) == _without_seconds(theirs)


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
    code, output = process.run("resume", "small")
    assert code == 0, output
    assert process.outcome() == undisturbed.outcome()
    process.check_tracked_once()


def test_two_drivers_never_share_a_sweep(process: SweepProcess) -> None:
    running = process.start("run", "spec.yaml")
    process.wait_for(lambda: bool(process.records()))
    code, output = process.run("resume", "small")
    assert code == 1
    assert "another process drives this sweep" in output
    running.kill()
    running.wait()


def _checkpoints_of_a_trial_under_way(process: SweepProcess) -> list[Path]:
    """Return the checkpoints, oldest first, of a search that runs and has two; none if there is no such search.

    Trials whose milestones are ranked are left out: a damaged milestone would be a failure of its ranking as well.
    """
    for path in process.sweep.glob("searches/*/record.json"):
        record = json.loads(path.read_text())
        if (record["state"], record["trial"]["skip"]) == ("running", "searched"):
            found = [*path.parent.glob("checkpoints/*.ckpt"), *path.parent.glob("milestones/*.ckpt")]
            if len(found) >= 2 and record["epoch"]:
                return sorted(found, key=lambda checkpoint: checkpoint.stat().st_mtime_ns)
    return []


def _without_seconds(text: str) -> list[dict[str, str]]:
    """Return the rows of a table without what was measured with a clock."""
    return [
        {name: value for name, value in row.items() if "seconds" not in name}
        for row in csv.DictReader(io.StringIO(text))
    ]
