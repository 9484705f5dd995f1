"""A sweep in an object store that answers badly now and then, one of its workers killed."""

from __future__ import annotations

import os
import shutil
import signal
from typing import TYPE_CHECKING

import pytest
from pyarrow.fs import FileSelector, S3FileSystem

if TYPE_CHECKING:
    from conftest import ObjectStore, SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]


def fetch(store: ObjectStore, process: SweepProcess) -> None:
    """Bring what the bucket holds of the sweep to where the sweep would be without a bucket."""
    server = S3FileSystem(endpoint_override=store.address, scheme="http")
    top = f"{store.bucket}/results/small"
    for info in server.get_file_info(FileSelector(top, recursive=True, allow_not_found=True)):
        if info.is_file:
            target = process.sweep / info.path.removeprefix(f"{top}/")
            target.parent.mkdir(parents=True, exist_ok=True)
            with server.open_input_stream(info.path) as stream:
                target.write_bytes(stream.readall())


def test_a_flaky_store_and_a_killed_worker(
    process: SweepProcess, undisturbed: SweepProcess, object_store: ObjectStore
) -> None:
    spec = process.folder / "spec.yaml"
    tracking = f"sqlite:///{process.folder}/results/mlflow.db"
    spec.write_text(f"{spec.read_text()}runtime: {{storage: '{object_store.uri()}', tracking: '{tracking}'}}\n")
    object_store.disturb("lost", lambda number: number % 20 == 0)
    running = process.start("run", "spec.yaml")

    def running_searches() -> list[int]:
        fetch(object_store, process)
        return [
            int(record["process"].rpartition(":")[2])
            for record in process.records()
            if record["kind"] == "search" and record["epoch"] >= 1 and record["state"] == "running"
        ]

    process.wait_for(lambda: bool(running_searches()))
    os.kill(running_searches()[0], signal.SIGKILL)
    assert running.wait(timeout=240) == 0, process.output()
    assert "it is tried again from its last checkpoint" in process.output()
    shutil.rmtree(process.sweep)
    fetch(object_store, process)
    assert process.outcome() == undisturbed.outcome()
    process.check_tracked_once()
    names = {path.name for path in (process.folder / "results" / "mlflow-artifacts").rglob("*.*")}
    assert names >= {"genotype.png", "mixing.png", "network.json", "scores.parquet", "comparison.csv", "spec.yaml"}
    code, output = process.run("status", "small", "--storage", object_store.uri())
    assert code == 0, output
    assert (
        output.splitlines()[-1]
        == f"{len(process.records())} trials: {len(process.records())} finished; no process drives it"
    )
