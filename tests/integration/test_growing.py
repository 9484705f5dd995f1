"""Sweeps that grow step by step, and retrainings shared by several searches, on one Ray."""

from __future__ import annotations

import io
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from aca_ray import api
from aca_ray.cluster.session import ray_session
from aca_ray.records import RetrainingRecord, TrialFolder, TrialRecord
from aca_ray.storage import StoragePath, read_checkpoint
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import network_orders, search_orders
from aca_ray.sweep.sharing import source_folder

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1500)]

SPEC = """name: {name}
experiment:
  methods: {methods}
  skip: allocated
  spaces: s2
  data: {{name: digits, max_train_images: 48, max_test_images: 32}}
  seeds: {seeds}
  epochs: {epochs}
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  ranking: {ranking}
  allocation: participation
  skip_free: false
  retraining: {{protocol: small}}
runtime: {{storage: {storage}, max_concurrent: 1}}
"""
STEPS: list[dict[str, str]] = [
    {"methods": "darts", "seeds": "0", "epochs": "1", "ranking": "taylor_identity"},
    {"ranking": "[taylor_identity, l1]"},
    {"seeds": "[0, 1]", "epochs": "[1, 2]"},
]
# Fields that depend on the clock, the process, or which of several equal retrainings came first.
PASSING = {"seconds", "process", "checkpointing", "resumes", "shared_with", "milestones", "packed"}


@pytest.fixture(scope="module", autouse=True)
def session() -> Iterator[None]:
    """One Ray for all sweeps; its changes of the environment are undone for later tests."""
    with patch.dict(os.environ), ray_session(None):
        yield


def run(folder: Path, text: str) -> Sweep:
    """Run a spec to its end and return the sweep."""
    spec = folder / "spec.yaml"
    spec.write_text(text)
    sweep, said = api.create(spec), io.StringIO()
    outcome = api.drive(sweep, stream=said)
    assert outcome.failures == (), said.getvalue()
    assert not outcome.interrupted
    assert outcome.tracked
    return sweep


def record_in(folder: StoragePath) -> TrialRecord:
    record = TrialRecord.read(folder)
    assert record is not None
    return record


def trial_folders(sweep: Sweep, kind: str = "*") -> list[Path]:
    assert isinstance(sweep.folder.path, Path)
    return sorted(path.parent for path in sweep.folder.path.glob(f"{kind}/*/record.json"))


def weights_of(folder: Path) -> list[tuple[str, bytes]]:
    """Return the last weights of a trial; for a shared retraining, those of the trained one."""
    record = record_in(folder)
    path = source_folder(folder, record)
    _, state = read_checkpoint(path / "milestones" / f"epoch_{record.num_epochs:04d}.ckpt")
    return [(name, tensor.numpy().tobytes()) for name, tensor in state["work"]["network"].items()]


def outcome_of(sweep: Sweep) -> dict[str, Any]:
    """Return all results of a sweep, in a form that is equal only for bit-identical results."""
    found: dict[str, Any] = {}
    for folder in trial_folders(sweep):
        record = record_in(folder).to_json()
        for row in record["rows"]:
            del row["time_ms"]
            passing = ("time/", "memory/", "system/")
            row["metrics"] = {name: value for name, value in row["metrics"].items() if not name.startswith(passing)}
        found[folder.name] = {name: value for name, value in record.items() if name not in PASSING}
        found[f"{folder.name} weights"] = weights_of(folder)
        for path in sorted(folder.glob("allocations/*/*/*.json")):
            value = json.loads(path.read_text())
            value.pop("seconds", None)
            found[str(path.relative_to(folder.parent))] = value
        for path in sorted(folder.glob("allocations/*/*/scores.parquet")):
            found[str(path.relative_to(folder.parent))] = path.read_bytes()
    return found


def files_of(sweep: Sweep) -> dict[Path, int]:
    """Return the modification times of the checkpoints, scores and plans of a sweep."""
    assert isinstance(sweep.folder.path, Path)
    ranked = "searches/*/allocations/*/*"
    patterns = ("*/*/milestones/*.ckpt", f"{ranked}/scores.parquet", f"{ranked}/plan_*.json")
    return {path: path.stat().st_mtime_ns for pattern in patterns for path in sweep.folder.path.glob(pattern)}


def runs_of(sweep: Sweep) -> dict[str, tuple[str, str]]:
    """Return id and status of every run in MLflow, by the fingerprint of its trial."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{sweep.storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(sweep.spec.name)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    runs = {run.data.tags["aca.fingerprint"]: (run.info.run_id, run.info.status) for run in found}
    assert len(runs) == len(found)
    return runs


def test_a_grown_sweep_equals_one_that_was_large_from_the_start(tmp_path: Path) -> None:
    settings = {"name": "grown", "storage": str(tmp_path / "results"), **STEPS[0]}
    grown = run(tmp_path, SPEC.format(**settings))
    before, runs = files_of(grown), runs_of(grown)
    for step in STEPS[1:]:
        if "ranking" in step:  # ranked by hand before the spec asks for it
            api.rank(["grown"], rankings=["l1"], storage=tmp_path / "results")
            ranked = {path: time for path, time in files_of(grown).items() if path not in before}
            assert {path.parent.name for path in ranked} == {"l1"}
            before |= ranked
        settings |= step
        grown = run(tmp_path, SPEC.format(**settings))
        after, kept = files_of(grown), runs_of(grown)
        assert before.items() <= after.items()  # nothing is repeated
        if "ranking" in step:
            assert {path.suffix for path in after.keys() - before.keys()} == {".ckpt"}
        assert runs.items() <= kept.items()  # the sweep and every trial keep their runs
        before, runs = after, kept
    assert len(grown.versions) == len(STEPS)
    assert set(runs) == {grown.identity, *(record_in(folder).fingerprint for folder in trial_folders(grown))}
    assert {status for _, status in runs.values()} == {"FINISHED"}
    large = run(tmp_path, SPEC.format(**{**settings, "name": "large"}))
    expected = outcome_of(large)
    assert len(trial_folders(large)) == 4 + 4 * 2
    assert outcome_of(grown) == expected
    progress, _ = api.status("grown", storage=tmp_path / "results")
    assert progress.summary() == "12 trials: 12 finished"


SHARED = """name: shared
experiment:
  methods: darts
  spaces: s4
  data: {{name: digits, max_train_images: 48, max_test_images: 32}}
  seeds: {seeds}
  epochs: 1
  network: {{channels: 4, cells: 3}}
  batch_size: 16
  allocation: rounded
  controls: random
  retraining: {{protocol: small}}
runtime: {{storage: {storage}, max_concurrent: 1}}
"""


def test_searches_that_find_one_cell_are_retrained_once(tmp_path: Path) -> None:
    """S4 has no skips, so that both kinds of searches find the same cell, which `all` leaves unchanged."""
    text = SHARED.format(seeds=0, storage=tmp_path / "results")
    sweep = run(tmp_path, text)

    def by_arm() -> dict[str, tuple[Path, RetrainingRecord]]:
        found = {}
        for folder in trial_folders(sweep, "retrainings"):
            record = RetrainingRecord.read(folder)
            assert record is not None
            found[record.trial.control or record.trial.allocation or "searched"] = (folder, record)
        return found

    found = by_arm()
    assert set(found) == {"searched", "all", "rounded", "random"}
    for one, other in (("searched", "all"), ("rounded", "random")):
        (copied, record), (trained, source) = sorted(
            (found[one], found[other]), key=lambda pair: pair[1].shared_with is None
        )
        assert (record.shared_with, source.shared_with) == (source.fingerprint, None)
        assert (record.state, record.result, record.rows) == ("finished", source.result, source.rows)
        assert list(trained.glob("milestones/*.ckpt"))
        assert not list(copied.glob("milestones/*.ckpt"))
    runs = runs_of(sweep)
    assert {runs[record.fingerprint][1] for _, record in found.values()} == {"FINISHED"}
    assert len({runs[record.fingerprint][0] for _, record in found.values()}) == 4

    lost = next(folder for folder, record in found.values() if record.shared_with is None)
    shutil.rmtree(lost)
    again = api.resume("shared", storage=tmp_path / "results", stream=io.StringIO())
    assert again.outcome.failures == ()
    results = {arm: record.result for arm, (_, record) in by_arm().items()}
    assert results == {arm: record.result for arm, (_, record) in found.items()}
    assert sum(record.shared_with is not None for _, record in by_arm().values()) == 2
    run(tmp_path, text.replace("seeds: 0", "seeds: [0, 1]"))
    assert len(trial_folders(sweep, "retrainings")) == 8


def test_a_failing_ranker_fails_only_its_own_retrainings(tmp_path: Path) -> None:
    settings = {**STEPS[0], "ranking": "[taylor_identity, l1]", "name": "partly", "storage": str(tmp_path / "results")}
    spec = tmp_path / "spec.yaml"
    spec.write_text(SPEC.format(**settings).replace("skip_free: false", "skip_free: true"))
    sweep = api.create(spec)
    (search,) = search_orders(sweep)
    in_the_way = TrialFolder(search.folder).allocation(1, "l1").path
    assert isinstance(in_the_way, Path)
    in_the_way.parent.mkdir(parents=True)
    in_the_way.write_text("no folder")
    outcome = api.drive(sweep, stream=io.StringIO())
    orders = {order.trial.ranking: order for order in network_orders(sweep, search)}
    assert set(orders) == {None, "taylor_identity", "l1"}
    (failure,) = outcome.failures
    assert orders["l1"].trial.short in failure
    states = {name: TrialRecord.read(order.folder) for name, order in orders.items()}
    assert states["l1"] is None
    assert [record and record.state for name, record in states.items() if name != "l1"] == ["finished"] * 2
    in_the_way.unlink()
    assert api.resume("partly", storage=tmp_path / "results", stream=io.StringIO()).outcome.failures == ()
    assert record_in(orders["l1"].folder).state == "finished"
