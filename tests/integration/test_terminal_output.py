"""What users and programs read while a real sweep runs, and when it has ended."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

LINK = re.compile(r"\033\]8;;(file://[^\033]+)\033\\([^\033]+)\033\]8;;\033\\")


def apart(process: SweepProcess, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Run `aca-ray` to its end; return exit code, standard output, standard error."""
    done = subprocess.run(
        [sys.executable, "-m", "aca_ray.cli", *arguments],
        cwd=process.folder,
        env={**process.environment(), **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def in_a_terminal(process: SweepProcess, *arguments: str, until: str = "") -> tuple[int, str]:
    """Run `aca-ray` in a terminal of 120 columns, press Ctrl-C once it shows a text; return exit code and output."""
    terminal, inside = pty.openpty()
    running = subprocess.Popen(
        ["setsid", "--ctty", "--wait", sys.executable, "-m", "aca_ray.cli", *arguments],
        cwd=process.folder,
        env={**process.environment(), "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        stdin=inside,
        stdout=inside,
        stderr=inside,
    )
    os.close(inside)
    shown = ""
    with suppress(OSError):  # the terminal is closed
        while text := os.read(terminal, 65536).decode(errors="replace"):
            shown += text
            if until and until in shown:
                os.write(terminal, b"\x03")
                until = ""
    os.close(terminal)
    return running.wait(timeout=180), shown


@contextmanager
def browser(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield a BROWSER that writes the address that it opens into a file, and that file."""
    script, opened = folder / "browser", folder / "opened"
    script.write_text(f'#!/bin/sh\necho "$1" > {opened}\n')
    script.chmod(0o755)
    yield str(script), opened


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("place", [(), ("--local",)], ids=["ray", "local"])
def test_a_program_follows_a_sweep(process: SweepProcess, place: tuple[str, ...]) -> None:
    """Standard output has JSON alone, whatever Ray and MLflow print; another process watches."""
    process.replace(("epochs: [2, 4]", "epochs: 4"), ("  controls: [uniform]\n", ""))
    output = process.folder / "events"
    with open(output, "w") as stream, open(process.folder / "errors", "w") as errors:
        running = subprocess.Popen(
            [sys.executable, "-m", "aca_ray.cli", "run", "spec.yaml", "--json", *place],
            cwd=process.folder,
            env=process.environment(),
            stdout=stream,
            stderr=errors,
        )
    end = time.monotonic() + 300
    while not output.read_text():
        assert running.poll() is None, (process.folder / "errors").read_text()
        assert time.monotonic() < end
        time.sleep(0.1)
    code, lines, _ = apart(process, "status", "small", "--watch")
    assert (code, running.wait(timeout=300)) == (0, 0)

    *found, summary = events(output.read_text())
    records = {record["fingerprint"][:12]: record for record in process.records()}
    trials = [event for event in found if event["event"] == "trial"]
    assert {event["trial"] for event in trials} == set(records)
    for short, record in records.items():
        own = [event for event in trials if event["trial"] == short]
        epochs = [event["epoch"] for event in own]
        assert epochs == sorted(epochs)
        assert (own[-1]["state"], own[-1]["epoch"], own[-1]["of"]) == ("finished", epochs[-1], record["num_epochs"])
        assert own[-1]["metrics"] == record["rows"][-1]["metrics"]
    assert [event["epoch"] for event in found if event["event"] == "ranking"] == [1, 2, 3, 4]
    assert summary["event"] == "summary"
    assert (summary["state"], summary["counts"], summary["tracked"]) == ("finished", {"finished": 5}, True)
    assert Path(summary["report"]).is_file()
    assert len(summary["findings"]) == 3
    assert "aca-ray ui" in (process.folder / "errors").read_text()

    watched = lines.splitlines()
    assert watched[0] == "5 trials"
    assert "\033" not in lines
    assert {line.split("trial ")[-1] for line in watched if "  finished  " in line} == set(records)
    assert watched[-1] == "5 trials: 5 finished; not running"

    log = (process.sweep / "driver.log").read_text().splitlines()
    assert all(re.match(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (INFO|WARNING) ", line) for line in log)
    assert sum("  finished  " in line for line in log) == 5


def test_closing_lines_of_a_finished_sweep(undisturbed: SweepProcess, tmp_path: Path) -> None:
    report = undisturbed.sweep / "comparison" / "report.html"
    code, shown = in_a_terminal(undisturbed, "resume", "small", "--local")
    assert code == 0
    assert set(LINK.findall(shown)) == {(report.as_uri(), "results/small/comparison/report.html")}
    with browser(tmp_path) as (command, opened):
        code, output, errors = apart(undisturbed, "resume", "small", "--local", "--quiet", "--open", BROWSER=command)
        assert (code, errors) == (0, "")
        assert opened.read_text().strip() == report.as_uri()
    assert "\033" not in output
    assert "report: results/small/comparison/report.html" in output.splitlines()
    assert "  finished  " not in output
    code, output, errors = apart(undisturbed, "resume", "small", "--local", "--verbose")
    assert code == 0
    assert output.count("  finished  ") == len(undisturbed.records())
    assert all(re.match(r"\d\d:\d\d:\d\d ", line) for line in errors.splitlines())
    assert "sweep small: ended with 0 failures" in errors


def test_comparisons_for_programs(undisturbed: SweepProcess, tmp_path: Path) -> None:
    with browser(tmp_path) as (command, opened):
        code, output, errors = apart(
            undisturbed, "compare", "small", "--json", "--by", "skip", "--open", BROWSER=command
        )
        assert (code, errors) == (0, "")
        assert opened.read_text().strip() == (undisturbed.sweep / "comparison" / "report.html").as_uri()
    value = json.loads(output)
    assert value["report"] == str(undisturbed.sweep / "comparison" / "report.html")
    assert {group["networks"] for group in value["groups"]} == {"searched", "skip-free", "allocated"}
    assert {group["n"] for group in value["groups"]} == {1}
    assert value["by"] == "skip"
    assert len(value["values"]) == 2 * 3
    code, output, _ = apart(undisturbed, "compare", "small", "--by", "epochs")
    assert code == 0
    assert output.count("4 - 2") == 3 + 1  # searched, skip-free, allocated, and its control
    code, output, errors = apart(undisturbed, "compare", "small", "--by", "method")
    assert (code, output) == (2, "")
    assert errors.startswith("--by: ")


def test_ctrl_c_ends_the_watching_and_not_the_sweep(process: SweepProcess) -> None:
    running = process.start("run", "spec.yaml", "--local", "--quiet")
    process.wait_for_epoch("search", 1)
    code, shown = in_a_terminal(process, "status", "small", "--watch", until="running")
    assert code == 130
    assert "\033[" in shown
    assert "the sweep continues" in shown
    time.sleep(1)
    assert running.poll() is None
    running.send_signal(signal.SIGINT)
    assert running.wait(timeout=180) == 130
    assert "location.reload" not in (process.sweep / "comparison" / "report.html").read_text()


def test_the_traceback_of_a_failed_trial_is_shown_on_demand(process: SweepProcess) -> None:
    process.replace(("epochs: [2, 4]", "epochs: 2\n  skip: searched"), ("  controls: [uniform]\n", ""))
    running = process.start("run", "spec.yaml", "--local", "--quiet")
    process.wait_for(lambda: any(record["epoch"] >= 1 for record in process.records()))
    running.kill()
    running.wait(timeout=60)
    for checkpoint in process.sweep.glob("searches/*/*/*.ckpt"):
        checkpoint.write_bytes(b"damaged")
    code, output, errors = apart(process, "resume", "small", "--local", "--verbose")
    assert code == 1, output
    assert "Traceback (most recent call last)" in errors
    assert "failed: " in errors
