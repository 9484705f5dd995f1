"""A sweep in an object store with occasional errors, with one worker killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from aca_ray.storage import StoragePath, read_json, storage_path

if TYPE_CHECKING:
    from conftest import ObjectStore, SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


def fetch(folder: StoragePath, process: SweepProcess) -> None:
    """Copy a sweep to its folder in a run without an object store."""
    for pattern in ("*", "*/*/*", "*/*/milestones/*", "*/*/allocations/*/*/*"):
        for path in folder.glob(pattern):
            if path.is_file():
                target = process.sweep / str(path).partition("?")[0].removeprefix(f"{str(folder).partition('?')[0]}/")
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())


def test_a_flaky_store_and_a_killed_worker(
    process: SweepProcess, undisturbed: SweepProcess, object_store: ObjectStore
) -> None:
    spec = process.folder / "spec.yaml"
    tracking = f"sqlite:///{process.folder}/results/mlflow.db"
    runtime = f"runtime: {{storage: '{object_store.uri()}', tracking: '{tracking}'}}\n"
    spec.write_text(spec.read_text().replace("epochs: [2, 4]", "epochs: 2") + runtime)
    folder = storage_path(object_store.uri()) / "small"
    object_store.disturb("lost", lambda number: number % 20 == 0)
    running = process.start("run", "spec.yaml")

    def killed() -> bool:
        for path in folder.glob("searches/*/record.json"):
            record = read_json(path)
            if record["epoch"] >= 1 and record["state"] == "running":
                os.kill(int(record["process"].rpartition(":")[2]), signal.SIGKILL)
                return True
        return False

    process.wait_for(killed)
    assert running.wait(timeout=600) == 0, process.output()
    assert "its process died" in process.output()
    assert "last checkpoint" in process.output()
    fetch(folder, process)
    outcome, expected = process.outcome(), undisturbed.outcome()
    assert outcome == {key: expected[key] for key in outcome}
    assert len(process.records()) == 6
    process.check_tracked_once()
    names = {path.name for path in (process.folder / "results" / "mlflow-artifacts").rglob("*.*")}
    assert names >= {"genotype.svg", "mixing.svg", "network.json", "scores.parquet", "comparison.csv", "spec.yaml"}
    code, output = process.run("status", "small", "--storage", object_store.uri())
    assert code == 0, output
    assert output.splitlines()[-1].startswith("6 trials: 6 finished; ")
