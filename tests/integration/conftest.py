"""Real sweeps in separate processes, and the means to inspect and kill them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

MARK = "ACA_RAY_TEST_SESSION"

# A shell starts background jobs with SIGINT ignored, and their processes inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Searches take longer than the slices between which an interrupt or a drained node can stop them.
SPEC = """
name: small
experiment:
  methods: darts
  spaces: s3
  data: {name: digits, max_train_images: 192, max_test_images: 64}
  seeds: [0]
  epochs: [2, 4]
  network: {channels: 4, cells: 3}
  batch_size: 32
  controls: [uniform]
  retraining: {protocol: small}
"""


@dataclass
class SweepProcess:
    """A sweep run by `aca-ray` in processes with a unique mark.

    Attributes:
        folder: working directory; results are written to folder/results.
        mark: value of the environment variable that marks the processes.
        tracking: URI of the MLflow store in the spec; None for the one in the results.
        prefix: first words of each command.
        program: arguments of Python that run `aca-ray`.
    """

    folder: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    tracking: str | None = None
    prefix: Sequence[str] = ()
    program: Sequence[str] = ("-m", "aca_ray.cli")

    @property
    def sweep(self) -> Path:
        return self.folder / "results" / "small"

    def replace(self, *changes: tuple[str, str]) -> None:
        """Replace texts of spec.yaml, each of which it must have."""
        spec = self.folder / "spec.yaml"
        text = spec.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        spec.write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `aca-ray` with arguments."""
        output = open(self.folder / f"output-{time.time_ns()}.txt", "w+")  # noqa: SIM115 - lives as long as the process
        return subprocess.Popen(
            [*self.prefix, sys.executable, *self.program, *arguments],
            cwd=self.folder,
            env=self.environment(),
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            preexec_fn=_heed_interrupts,
        )

    def environment(self) -> dict[str, str]:
        """Return the environment with the mark."""
        return {**os.environ, MARK: self.mark}

    def run(self, *arguments: str, seconds: float = 600.0) -> tuple[int, str]:
        """Run `aca-ray` to its end, at most for `seconds`; return its exit code and output."""
        process = self.start(*arguments)
        code = process.wait(timeout=seconds)
        return code, self.output()

    def output(self) -> str:
        """Return the output of the last started process."""
        return self.output_path().read_text()

    def log(self) -> str:
        """Return the driver's log, which has the error of a driver whose terminal is gone."""
        return (self.sweep / "driver.log").read_text()

    def output_path(self) -> Path:
        """Return the output file of the last started process."""
        return sorted(self.folder.glob("output-*.txt"))[-1]

    def processes(self, title: str = "") -> list[int]:
        """Return the ids of live processes of this sweep, optionally only those with a word in their title."""
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                marked = f"{MARK}={self.mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                alive = (entry / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            except OSError:
                continue
            if marked and alive and title in command:
                found.append(int(entry.name))
        return found

    def records(self) -> list[dict[str, Any]]:
        """Return all records of the sweep."""
        return [json.loads(path.read_text()) for path in sorted(self.sweep.glob("*/*/record.json"))]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 300.0) -> None:
        """Wait until a condition holds; fail the test after `seconds`."""
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, f"condition is false after {seconds} s; output:\n{self.output()}"
            time.sleep(0.05)

    def wait_for_epoch(self, kind: str, epoch: int) -> dict[str, Any]:
        """Wait for a running trial of a kind that has finished an epoch, and return its record."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found.extend(
                r for r in self.records() if r["kind"] == kind and r["epoch"] >= epoch and r["state"] == "running"
            )
            return bool(found)

        self.wait_for(look)
        return found[0]

    def outcome(self) -> dict[str, Any]:
        """Return all results of a sweep, in a form that is equal only for bit-identical results."""
        import torch

        from aca_ray.channels import ChannelScores
        from aca_ray.storage import read_checkpoint

        found: dict[str, Any] = {}
        for path in sorted(self.sweep.glob("*/*/milestones/*.ckpt")):
            _, state = read_checkpoint(path)
            network = state["work"]["network"]
            found[str(path.relative_to(self.sweep))] = [
                (name, tensor.numpy().tobytes()) for name, tensor in network.items() if isinstance(tensor, torch.Tensor)
            ]
        for path in sorted(self.sweep.glob("searches/*/allocations/*/*/scores.parquet")):
            found[str(path.relative_to(self.sweep))] = ChannelScores.read_parquet(path)
        for pattern in ("searches/*/allocations/*/*/plan_*.json", "searches/*/allocations/*/*/genotype.json"):
            for path in sorted(self.sweep.glob(pattern)):
                found[str(path.relative_to(self.sweep))] = path.read_text()
        for record in self.records():
            key = f"{record['kind']} {record['fingerprint']}"
            found[key] = (record["state"], record["genotype"], record["mixing"], record["result"], record["milestones"])
            found[f"{key} epochs"] = [row["epoch"] for row in record["rows"]]
        return found

    def tracked(self) -> tuple[Counter[str], dict[str, list[int]], Counter[str]]:
        """Return the content of MLflow: runs per fingerprint, logged epochs per fingerprint, run statuses."""
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self.tracking or f"sqlite:///{self.folder / 'results' / 'mlflow.db'}")
        experiment = client.get_experiment_by_name("small")
        assert experiment is not None
        runs: Counter[str] = Counter()
        epochs: dict[str, list[int]] = {}
        statuses: Counter[str] = Counter()
        for run in client.search_runs([experiment.experiment_id], max_results=1000):
            fingerprint = run.data.tags["aca.fingerprint"]
            runs[fingerprint] += 1
            statuses[run.info.status] += 1
            history = client.get_metric_history(run.info.run_id, "epoch")
            epochs[fingerprint] = sorted(point.step for point in history)
        return runs, epochs, statuses

    def check_tracked_once(self) -> None:
        """Assert that MLflow has one finished run per trial, with every epoch exactly once."""
        runs, epochs, statuses = self.tracked()
        assert set(runs.values()) == {1}
        assert set(statuses) == {"FINISHED"}
        for record in self.records():
            assert epochs[record["fingerprint"]] == list(range(1, record["num_epochs"] + 1))
        assert len(runs) == len(self.records()) + 1  # plus the parent run


def _heed_interrupts() -> None:
    """Restore SIGINT and SIGHUP, which shells and nohup disable in background processes."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _make(folder: Path) -> SweepProcess:
    (folder / "spec.yaml").write_text(SPEC)
    return SweepProcess(folder)


@pytest.fixture
def process(tmp_path: Path) -> Iterator[SweepProcess]:
    """A sweep that has not been started; its remaining processes are killed after the test."""
    made = _make(tmp_path)
    yield made
    for pid in made.processes():
        os.kill(pid, signal.SIGKILL)


@contextmanager
def marked(prefix: str) -> Iterator[SweepProcess]:
    """Yield a unique mark and a new folder; kill the marked processes and delete the folder afterwards."""
    made = SweepProcess(Path(tempfile.mkdtemp(prefix=prefix)))
    made.folder.chmod(0o711)  # PostgreSQL runs as a different user
    try:
        yield made
    finally:
        for pid in made.processes():
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(made.folder, ignore_errors=True)


@pytest.fixture(scope="module")
def servers() -> Iterator[SweepProcess]:
    """The mark and the folder of the servers of a module."""
    with marked("aca") as made:  # short: paths of sockets have at most 107 characters
        yield made


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> SweepProcess:
    """The sweep, run to its end without interruptions."""
    made = _make(tmp_path_factory.mktemp("undisturbed"))
    code, output = made.run("run", "spec.yaml")
    assert code == 0, output
    return made
