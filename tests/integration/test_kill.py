"""Sweeps whose processes are killed end exactly as the undisturbed one."""

from __future__ import annotations

import csv
import io
import os
import pty
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from aca_ray.storage.lock import exclusive

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


def test_a_trial_whose_process_dies_too_often_fails(process: SweepProcess) -> None:
    process.replace(
        ("seeds: [0]", "seeds: [0, 1]\n  skip: searched"),
        ("epochs: [2, 4]", "epochs: 4"),
        ("  controls: [uniform]\n", ""),
        ("{protocol: small}", "{protocol: small}\nruntime: {max_failures: 0}"),
    )
    running = process.start("run", "spec.yaml")
    victim = process.wait_for_epoch("search", 1)
    os.kill(int(victim["process"].rpartition(":")[2]), signal.SIGKILL)
    assert running.wait(timeout=600) == 1, process.output()
    assert "its process died" in process.output()
    assert "1 of 1 tries" in process.output()
    states = {record["fingerprint"]: record["state"] for record in process.records()}
    assert states.pop(victim["fingerprint"]) == "failed"
    assert set(states.values()) == {"finished"}
    _, _, statuses = process.tracked()
    assert statuses["FAILED"] == 1


def press_ctrl_c(process: SweepProcess) -> int:
    """Start a sweep, interrupt it as soon as a trial runs, and return the exit code."""
    running = process.start("run", "spec.yaml")
    process.wait_for_epoch("search", 1)
    running.send_signal(signal.SIGINT)
    code = running.wait(timeout=180)
    assert "aca-ray resume small" in process.output()
    assert "Last result" not in process.output()  # as Tune prints of a trial that it stops
    return code


def terminate_all(process: SweepProcess) -> int:
    """Resume a sweep, send SIGTERM to all of its processes, as systemd and Slurm do, and return the exit code."""
    running = process.start("resume", "small")
    wait_for_work(process)
    for pid in process.processes():
        os.kill(pid, signal.SIGTERM)
    return running.wait(timeout=180)


def close_terminal(process: SweepProcess) -> int:
    """Resume a sweep in a terminal, close the terminal, and return the exit code."""
    terminal, inside = pty.openpty()
    os.set_blocking(terminal, False)
    running = subprocess.Popen(
        ["setsid", "--ctty", sys.executable, "-m", "aca_ray.cli", "resume", "small"],
        cwd=process.folder,
        env=process.environment(),
        stdin=inside,
        stdout=inside,
        stderr=inside,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),  # which nohup ignores
    )
    os.close(inside)

    def shown() -> str:
        with suppress(BlockingIOError):
            return os.read(terminal, 65536).decode(errors="replace")
        return ""

    process.wait_for(lambda: bool(shown()))
    wait_for_work(process)
    os.close(terminal)
    return running.wait(timeout=180)


def wait_for_work(process: SweepProcess) -> None:
    """Wait until a trial has made steps that are in no checkpoint yet."""
    process.wait_for(lambda: works(process))
    time.sleep(1)


def works(process: SweepProcess) -> bool:
    """Return whether a trial runs in a live process; a dead one may stay in /proc for a while."""
    live = set(process.processes())
    return any(
        record["state"] == "running" and int(record["process"].rpartition(":")[2]) in live
        for record in process.records()
    )


def test_interrupting_stops_cleanly(process: SweepProcess, undisturbed: SweepProcess) -> None:
    for stop in (press_ctrl_c, terminate_all, close_terminal):
        before = saved(process)
        assert stop(process) == 130, process.output() + process.log()
        assert saved(process) - before, stop
        process.wait_for(lambda: not process.processes(), seconds=5)
        _, _, statuses = process.tracked()
        assert "RUNNING" not in statuses, stop
    finished = {r["fingerprint"]: r["rows"] for r in process.records() if r["state"] == "finished"}
    code, output = process.run("resume", "small")
    assert code == 0, output
    records = {record["fingerprint"]: record for record in process.records()}
    assert all(records[fingerprint]["rows"] == rows for fingerprint, rows in finished.items())  # not done again
    assert process.outcome() == undisturbed.outcome()
    process.check_tracked_once()
    for name in ("networks.csv", "comparison.csv"):
        ours, theirs = ((p.sweep / "comparison" / name).read_text() for p in (process, undisturbed))
        assert _without_measurements(ours) == _without_measurements(theirs)


def test_a_driver_killed_while_ray_starts_leaves_no_process(process: SweepProcess) -> None:
    for num_processes in (3, 7):  # driver, watcher and first process of Ray; then nearly all
        running = process.start("run", "spec.yaml")
        process.wait_for(lambda num=num_processes: len(process.processes()) >= num)
        running.kill()
        running.wait()
        process.wait_for(lambda: not process.processes(), seconds=5)


def test_two_drivers_never_share_a_sweep(process: SweepProcess, undisturbed: SweepProcess) -> None:
    with exclusive(undisturbed.sweep / "lock", wait=False) as free:
        assert free
        code, output = process.run("resume", "small", "--storage", str(undisturbed.folder / "results"))
    assert code == 1
    assert "another process drives this sweep" in output


def saved(process: SweepProcess) -> set[tuple[str, float]]:
    """Return all checkpoints with their modification times, and the finished trials."""
    checkpoints = {(str(path), path.stat().st_mtime) for path in process.sweep.glob("*/*/checkpoints/*.ckpt")}
    return checkpoints | {(record["fingerprint"], 0.0) for record in process.records() if record["state"] == "finished"}


def _without_measurements(text: str) -> list[dict[str, str]]:
    """Return the rows of a table without time and memory."""
    return [
        {name: value for name, value in row.items() if not name.endswith(("seconds", "bytes"))}
        for row in csv.DictReader(io.StringIO(text))
    ]
