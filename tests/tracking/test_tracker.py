"""MLflow ends up with one run per trial and every step once, after any interruption."""

from __future__ import annotations

import json
import logging
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from aca_ray.errors import SweepError
from aca_ray.records import Agreement, AllocationFolder, AllocationSummary, PlanSummary, Question, TrialFolder
from aca_ray.space import PUBLISHED
from aca_ray.tracking import Store, Tracker
from aca_ray.tracking.views import views

Make = Callable[..., Any]
Points = Callable[[str], Counter[tuple[str, int]]]

SPEC = {"methods": ["pc_darts"], "seeds": [0, 1], "epochs": 8}


@pytest.fixture
def sweep(request: pytest.FixtureRequest) -> str:
    """Return a sweep name unique to the test, since all tests share a store."""
    return str(request.node.name)


def opened(store: Store, sweep: str) -> Tracker:
    """Return a new tracker of a sweep, as in a new process."""
    tracker = Tracker(store, sweep, f"{sweep} fingerprint", pause_seconds=0.0)
    tracker.open("experiment: {}\n", SPEC, "what is asked")
    return tracker


def runs(store: Store, sweep: str, kind: str) -> dict[str, Run]:
    """Return the runs of one kind by fingerprint; two runs of one trial fail the test."""
    client = MlflowClient(tracking_uri=store.uri)
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id], f"tags.`aca.kind` = '{kind}'")
    by_fingerprint = {run.data.tags["aca.fingerprint"]: run for run in found}
    assert len(by_fingerprint) == len(found)
    return by_fingerprint


def only_run(store: Store, sweep: str, kind: str = "search") -> Run:
    """Return the one run of a kind."""
    (run,) = runs(store, sweep, kind).values()
    return run


def artifacts(store: Store, run: Run) -> list[str]:
    """Return the paths of all files among a run's artifacts."""
    root = Path(run.info.artifact_uri.removeprefix("file://"))
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def steps(*names: str, last: int) -> Counter[tuple[str, int]]:
    """Return one point for every name and every step up to the last."""
    return Counter((name, step) for name in names for step in range(1, last + 1))


SEARCH_METRICS = (
    *("search_train/loss", "search_train/accuracy", "search_valid/loss", "search_valid/accuracy", "lr/weights"),
    "epoch",
)


def test_the_sweep_is_an_experiment_with_a_parent_run(store: Store, sweep: str, tmp_path: Path) -> None:
    tracker = opened(store, sweep)
    (tmp_path / "table.md").write_text("| method |\n")
    tracker.finish(tmp_path, {"best/test_accuracy": 0.5})
    tracker.finish(tmp_path, {"best/test_accuracy": 0.5})
    assert tracker.flush()
    parent = only_run(store, sweep, "sweep")
    assert parent.info.status == "FINISHED"
    assert parent.data.params == {"methods": '["pc_darts"]', "seeds": "[0, 1]", "epochs": "8"}
    assert parent.data.metrics == {"best/test_accuracy": 0.5, "finished_trials": 0}
    assert artifacts(store, parent) == ["comparison/table.md", "spec.yaml"]
    client = MlflowClient(tracking_uri=store.uri)
    assert len(client.get_metric_history(parent.info.run_id, "best/test_accuracy")) == 1
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None
    note = experiment.tags["mlflow.note.content"]
    assert f"#/experiments/{experiment.experiment_id}/runs/{parent.info.run_id}/artifacts/comparison/report" in note
    assert note.endswith("\n\nwhat is asked")
    assert parent.data.tags["mlflow.note.content"] == note
    assert experiment.artifact_location.startswith(str(store.artifact_root))
    tracker.finish(tmp_path, {"best/test_accuracy": 0.25, "comparison/beta_darts(scale=0.5)/s1/e8": 0.75})
    # MLflow refuses the brackets of a method with settings.
    expected = {"best/test_accuracy": 0.25, "comparison/beta_darts_scale_0.5_/s1/e8": 0.75, "finished_trials": 0}
    assert only_run(store, sweep, "sweep").data.metrics == expected


def test_the_experiment_has_its_saved_views_and_links_them(store: Store, sweep: str) -> None:
    opened(store, sweep)
    client = MlflowClient(tracking_uri=store.uri)
    experiment = client.get_experiment_by_name(sweep)
    assert experiment is not None
    for view in views(SPEC):
        assert json.loads(experiment.tags[view.tag])["name"] == view.question
        assert f"[{view.question}]({view.page(experiment.experiment_id)})" in experiment.tags["mlflow.note.content"]
    client.set_experiment_tag(experiment.experiment_id, "mlflow.sharedViewState.own", "of a user")
    opened(store, sweep)
    again = client.get_experiment_by_name(sweep)
    assert again is not None
    assert again.tags == {**experiment.tags, "mlflow.sharedViewState.own": "of a user"}


def test_the_parent_run_counts_finished_trials(
    store: Store, sweep: str, search_record: Make, points: Points, tmp_path: Path
) -> None:
    for seed, state in ((0, "finished"), (1, "failed"), (1, "finished"), (0, "finished")):
        tracker = opened(store, sweep)
        tracker.sync(search_record(seed, 8, state, error="no" if state == "failed" else None), TrialFolder(tmp_path))
        assert tracker.flush()
    found = points(only_run(store, sweep, "sweep").info.run_id)
    assert {point: number for point, number in found.items() if point[0] == "finished_trials"} == {
        ("finished_trials", count): 1 for count in (0, 1, 2)
    }


def test_a_trial_that_a_driver_ended_without_counting_it_is_counted_by_the_next_one(
    store: Store, sweep: str, search_record: Make, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    tracker.sync(search_record(0, 3), TrialFolder(tmp_path))
    assert tracker.flush()
    MlflowClient(tracking_uri=store.uri).set_terminated(only_run(store, sweep).info.run_id, "FINISHED")
    opened(store, sweep)
    assert only_run(store, sweep, "sweep").data.metrics["finished_trials"] == 1


def test_a_count_that_could_not_be_logged_is_logged_later(
    store: Store, sweep: str, search_record: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracker = opened(store, sweep)
    parent = only_run(store, sweep, "sweep").info.run_id
    log_batch, failed = MlflowClient.log_batch, []

    def fail_once(client: MlflowClient, run_id: str, *arguments: Any, **named: Any) -> Any:
        if run_id == parent and not failed:
            failed.append(run_id)
            raise MlflowException("the server is gone", error_code=TEMPORARILY_UNAVAILABLE)
        return log_batch(client, run_id, *arguments, **named)

    monkeypatch.setattr(MlflowClient, "log_batch", fail_once)
    tracker.sync(search_record(0, 8, "finished"), TrialFolder(tmp_path))
    assert tracker.flush()
    assert failed
    assert only_run(store, sweep, "sweep").data.metrics["finished_trials"] == 1


def test_the_parent_run_has_the_load_of_the_machine_once_a_minute(
    store: Store, sweep: str, search_record: Make, points: Points, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    for epochs in (1, 2, 3):
        tracker.sync(search_record(0, epochs), TrialFolder(tmp_path))
    run = only_run(store, sweep, "sweep")
    assert 0 < run.data.metrics["system/system_memory_usage_percentage"] <= 100
    assert 0 <= run.data.metrics["system/cpu_utilization_percentage"] <= 100
    assert points(run.info.run_id)["system/cpu_utilization_percentage", 0] == 1
    assert not any(name.startswith("system/") for name, _ in points(only_run(store, sweep).info.run_id))


def test_runs_name_their_source(store: Store, sweep: str, search_record: Make, tmp_path: Path) -> None:
    tracker = opened(store, sweep)
    tracker.sync(search_record(0), TrialFolder(tmp_path))
    assert tracker.flush()
    for kind in ("sweep", "search"):
        tags = only_run(store, sweep, kind).data.tags
        assert (tags["mlflow.source.name"], tags["mlflow.source.type"]) == ("aca-ray", "LOCAL")


def test_one_run_per_trial_and_every_step_once(
    store: Store, sweep: str, search_record: Make, points: Points, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    for epochs in (0, 1, 1, 3):
        for seed in (0, 1):
            tracker.sync(search_record(seed, epochs), TrialFolder(tmp_path))
    assert tracker.flush()
    found = runs(store, sweep, "search")
    assert set(found) == {f"{0:064x}", f"{1:064x}"}
    parent = only_run(store, sweep, "sweep")
    for seed, run in enumerate(found[f"{seed:064x}"] for seed in (0, 1)):
        assert points(run.info.run_id) == steps(*SEARCH_METRICS, last=3)
        assert run.info.status == "RUNNING"
        assert run.info.run_name == f"pc_darts allocated darts digits seed {seed} e8"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.params["network.channels"] == "8"
        assert run.data.metrics["search_train/loss"] == 3 + seed
        assert run.inputs is not None
        assert [entry.dataset.name for entry in run.inputs.dataset_inputs] == ["digits"]


def test_a_second_sync_of_the_same_record_makes_no_request(
    store: Store, sweep: str, search_record: Make, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    tracker.sync(search_record(epochs=8, state="finished"), TrialFolder(tmp_path))
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        statements.append(statement)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", note)
    try:
        tracker.sync(search_record(epochs=8, state="finished"), TrialFolder(tmp_path))
        assert tracker.flush()
        assert not statements
        tracker.sync(search_record(seed=1), TrialFolder(tmp_path))
        assert statements
    finally:
        sqlalchemy.event.remove(sqlalchemy.Engine, "before_cursor_execute", note)


def test_a_new_tracker_continues_where_the_last_one_died(
    store: Store, sweep: str, search_record: Make, points: Points, tmp_path: Path
) -> None:
    first = opened(store, sweep)
    first.sync(search_record(0, 3), TrialFolder(tmp_path))
    first.sync(search_record(1, 8, "finished"), TrialFolder(tmp_path))
    before = {fingerprint: run.info.run_id for fingerprint, run in runs(store, sweep, "search").items()}
    parent = only_run(store, sweep, "sweep").info.run_id
    del first

    second = opened(store, sweep)
    second.sync(search_record(0, 8, "finished"), TrialFolder(tmp_path))
    second.sync(search_record(1, 8, "finished"), TrialFolder(tmp_path))
    assert second.flush()
    after = runs(store, sweep, "search")
    assert {fingerprint: run.info.run_id for fingerprint, run in after.items()} == before
    assert only_run(store, sweep, "sweep").info.run_id == parent
    for run in after.values():
        results = Counter({("result/num_skips", 0): 1, ("result/num_parametric", 0): 1})
        assert points(run.info.run_id) == steps(*SEARCH_METRICS, last=8) + results
        assert run.info.status == "FINISHED"
        assert run.info.end_time == search_record(epochs=8).rows[-1].time_ms
        assert run.inputs is not None
        assert len(run.inputs.dataset_inputs) == 1
        assert artifacts(store, run) == ["genotype.json"]


def test_epochs_that_a_resumed_trial_repeats_are_not_logged_again(
    store: Store, sweep: str, search_record: Make, points: Points, tmp_path: Path
) -> None:
    opened(store, sweep).sync(search_record(epochs=5), TrialFolder(tmp_path))
    tracker = opened(store, sweep)
    for epochs in (2, 4, 6):
        record = search_record(epochs=epochs, resumes=1)
        later = tuple(replace(row, time_ms=row.time_ms + 12_345) for row in record.rows)
        tracker.sync(replace(record, rows=later), TrialFolder(tmp_path))
    assert tracker.flush()
    assert points(only_run(store, sweep).info.run_id) == steps(*SEARCH_METRICS, last=6)


def test_a_failed_trial_shows_its_error_until_it_is_resumed(
    store: Store, sweep: str, search_record: Make, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    traceback = "Traceback (most recent call last):\n  ...\nTrialError: the loss is not finite\n"
    tracker.sync(search_record(state="failed", error=traceback), TrialFolder(tmp_path))
    run = only_run(store, sweep)
    assert run.info.status == "FAILED"
    assert run.data.tags["aca.error"] == "TrialError: the loss is not finite"
    assert artifacts(store, run) == ["error.txt"]
    opened(store, sweep).sync(search_record(epochs=3), TrialFolder(tmp_path))
    run = only_run(store, sweep)
    assert run.info.status == "RUNNING"
    assert "aca.error" not in run.data.tags


def test_an_interrupted_sweep_is_killed_and_runs_again(
    store: Store, sweep: str, search_record: Make, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    tracker.sync(search_record(0), TrialFolder(tmp_path))
    tracker.sync(search_record(1, 8, "finished"), TrialFolder(tmp_path))
    tracker.interrupt()
    statuses = [run.info.status for _, run in sorted(runs(store, sweep, "search").items())]
    assert statuses == ["KILLED", "FINISHED"]
    assert only_run(store, sweep, "sweep").info.status == "KILLED"
    opened(store, sweep).sync(search_record(0), TrialFolder(tmp_path))
    assert runs(store, sweep, "search")[f"{0:064x}"].info.status == "RUNNING"
    assert only_run(store, sweep, "sweep").info.status == "RUNNING"


def test_a_retraining_is_a_child_with_its_result(
    store: Store, sweep: str, search_record: Make, retraining_record: Make, points: Points, tmp_path: Path
) -> None:
    (tmp_path / "network.json").write_text("{}")
    tracker = opened(store, sweep)
    tracker.sync(search_record(epochs=8, state="finished"), TrialFolder(tmp_path))
    (tmp_path / "genotype.svg").write_bytes(b"a picture")
    tracker.sync(retraining_record(), TrialFolder(tmp_path))
    tracker.sync(retraining_record(), TrialFolder(tmp_path))
    assert tracker.flush()
    run = only_run(store, sweep, "retraining")
    assert run.data.tags["mlflow.parentRunId"] == only_run(store, sweep, "sweep").info.run_id
    assert run.data.tags["aca.search"] == only_run(store, sweep).data.tags["aca.fingerprint"]
    assert run.data.metrics["result/test_accuracy"] == 0.75
    assert run.data.metrics["result/parameters"] == 1234
    results = {f"result/{name}": 0 for name in vars(retraining_record().result)}
    assert points(run.info.run_id) == steps("train/loss", "test/accuracy", "epoch", last=2) + Counter(results.items())
    assert artifacts(store, run) == ["genotype.json", "genotype.svg", "network.json"]


def allocation_of(ranking: str, *names: str) -> AllocationSummary:
    plan = PlanSummary(0.5, ((0.25, 0.75) * 4,) * 5, parameters=1, macs=2)
    return AllocationSummary(
        question=Question("a" * 64, 4, ranking, names[0], {}),
        epoch=4,
        ranking=ranking,
        genotype=PUBLISHED["DARTS_V2"],
        plans=dict.fromkeys(names, plan),
        agreement=Agreement(2, 0.5, 0.25),
        decided_share=0.875,
        seconds=1.0,
    )


def test_an_allocation_is_logged_once_and_again_when_plans_are_added(
    store: Store, sweep: str, search_record: Make, points: Points, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    folders = [tmp_path / "allocations" / "epoch_0004" / ranking for ranking in ("taylor", "l1")]
    tracker.sync_allocation(search_record(epochs=5), AllocationFolder(folders[0]), 4)
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "plan_sign.json").write_text("{}")
        allocation_of(folder.name, "sign", "sign_uniform").write(AllocationFolder(folder))
    for grown, reopen in ((False, False), (False, True), (True, False), (True, True)):
        again = opened(store, sweep) if reopen else tracker
        again.sync(search_record(epochs=5), TrialFolder(tmp_path))
        if grown:
            (folders[0] / "plan_otsu.json").write_text("{}")
            allocation_of("taylor", "sign", "sign_uniform", "otsu").write(AllocationFolder(folders[0]))
        for folder in folders:
            again.sync_allocation(search_record(epochs=5), AllocationFolder(folder), 4)
        assert again.flush()
    run = only_run(store, sweep)
    edges = [f"sign/stage{stage}/edge{edge}" for stage in range(5) for edge in range(8)]
    names = ["refill/taylor/otsu"]
    for ranker in ("taylor", "l1"):
        names += [f"kept/{ranker}/{edge}" for edge in edges]
        names += [f"refill/{ranker}/sign", f"refill/{ranker}/sign_uniform", f"decided_share/{ranker}"]
        names += [f"agreement/{ranker}/{name}" for name in ("kendall_tau", "jaccard")]
    assert points(run.info.run_id) == steps(*SEARCH_METRICS, last=5) + Counter((name, 4) for name in names)
    assert artifacts(store, run) == [
        *(f"milestones/epoch_0004/l1/{name}" for name in ("allocation.json", "plan_sign.json")),
        *(f"milestones/epoch_0004/taylor/{name}" for name in ("allocation.json", "plan_otsu.json", "plan_sign.json")),
    ]
    uploaded = Path(run.info.artifact_uri.removeprefix("file://")) / "milestones/epoch_0004/taylor/allocation.json"
    assert set(json.loads(uploaded.read_text())["plans"]) == {"sign", "sign_uniform", "otsu"}


def test_a_grown_sweep_is_the_same_run_with_its_new_spec(store: Store, sweep: str) -> None:
    opened(store, sweep)
    before = only_run(store, sweep, "sweep")
    first, second = (1_790_000_000_000, "seeds: [0, 1]\n"), (1_790_000_060_000, "seeds: [0, 1, 2]\n")
    for _ in range(2):
        tracker = Tracker(store, sweep, f"{sweep} fingerprint", pause_seconds=0.0)
        tracker.open(second[1], {**SPEC, "seeds": [0, 1, 2], "ranking": ["l1"]}, "what is asked", [first, second])
    run = only_run(store, sweep, "sweep")
    assert run.info.run_id == before.info.run_id
    assert run.data.params == {**before.data.params, "ranking": '["l1"]'}
    tags = {name: value for name, value in run.data.tags.items() if name.startswith("aca.spec")}
    assert tags == {"aca.spec.seeds": "[0, 1, 2]", "aca.spec_versions": "2"}
    names = artifacts(store, run)
    assert names == [
        "spec.yaml",
        "spec_versions/0001_2026-09-21T141320Z.yaml",
        "spec_versions/0002_2026-09-21T141420Z.yaml",
    ]
    root = Path(run.info.artifact_uri.removeprefix("file://"))
    assert [(root / name).read_text() for name in names] == [second[1], first[1], second[1]]
    tracker.open(first[1], SPEC, "what is asked", [first, second, first])  # back to the first version
    assert only_run(store, sweep, "sweep").data.tags["aca.spec.seeds"] == "[0, 1]"


def test_the_lesser_of_two_runs_of_one_trial_is_deleted(
    store: Store, sweep: str, search_record: Make, tmp_path: Path
) -> None:
    tracker = opened(store, sweep)
    tracker.sync(search_record(epochs=3), TrialFolder(tmp_path))
    run = only_run(store, sweep)
    client = MlflowClient(tracking_uri=store.uri)
    client.create_run(run.info.experiment_id, tags=dict(run.data.tags))
    opened(store, sweep)
    assert only_run(store, sweep).info.run_id == run.info.run_id


def test_an_unreachable_server_stops_nothing(
    sweep: str, search_record: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with caplog.at_level(logging.WARNING, "aca_ray.tracking"):
        tracker = opened(Store(f"http://127.0.0.1:{port}", None), sweep)
        tracker.sync(search_record(), TrialFolder(tmp_path))
        tracker.finish(tmp_path, {})
        tracker.interrupt()
        assert not tracker.flush()
    assert len(caplog.records) == 1


def test_a_store_that_refuses_stops_the_sweep_at_its_start(store: Store) -> None:
    with pytest.raises(SweepError, match=r"^runtime\.tracking: .* refused .*x{600}"):
        opened(store, "x" * 600)


KILLED_WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from aca_ray.records import SearchRecord, TrialFolder
from aca_ray.tracking import Store, Tracker

uri, artifacts, sweep, folder = sys.argv[1:]
record = SearchRecord.read(Path(folder))
tracker = Tracker(Store(uri, artifacts), sweep, sweep + " fingerprint")
tracker.open("experiment: {}", {"epochs": 8}, "")
for epochs in range(1, len(record.rows) + 1):
    tracker.sync(replace(record, rows=record.rows[:epochs]), TrialFolder(Path(folder)))
    print(epochs, flush=True)
"""


@pytest.mark.slow
def test_a_writer_killed_in_the_middle_leaves_nothing_twice(
    store: Store, sweep: str, search_record: Make, points: Points, tmp_path: Path
) -> None:
    record = search_record(epochs=2000)
    record.write(tmp_path)
    command = [sys.executable, "-c", KILLED_WRITER, store.uri, str(store.artifact_root), sweep, str(tmp_path)]
    for kill_after in (5, 40):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            while int(process.stdout.readline()) < kill_after:
                pass
            process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL
        logged = max(step for _, step in points(only_run(store, sweep).info.run_id))
        assert kill_after <= logged < 2000
    run_id = only_run(store, sweep).info.run_id
    tracker = opened(store, sweep)
    tracker.sync(record, TrialFolder(tmp_path))
    assert tracker.flush()
    assert only_run(store, sweep).info.run_id == run_id
    assert points(run_id) == steps(*SEARCH_METRICS, last=2000)
