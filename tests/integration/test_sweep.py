"""One sweep from the spec to the comparison, and the verbs that inspect it afterwards."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]


def test_everything_is_finished_and_compared(undisturbed: SweepProcess) -> None:
    records = undisturbed.records()
    assert sorted(record["kind"] for record in records) == ["retraining"] * 8 + ["search"] * 4
    assert {record["state"] for record in records} == {"finished"}
    assert {record["resumes"] for record in records} == {0}
    with open(undisturbed.sweep / "comparison" / "networks.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    accuracies = {float(row["test_accuracy"]) for row in rows}
    assert accuracies == {r["result"]["test_accuracy"] for r in records if r["kind"] == "retraining"}
    output = undisturbed.output()
    assert "aca-ray ui" in output
    assert "results/small" in output


def test_piped_output_is_plain_lines(undisturbed: SweepProcess) -> None:
    output = undisturbed.output()
    assert "\033" not in output
    assert "12 trials: 12 finished" in output


def test_allocated_searches_have_plans_and_agreement(undisturbed: SweepProcess) -> None:
    allocated = {r["fingerprint"]: r for r in undisturbed.records() if r["trial"]["skip"] == "allocated"}
    for path in sorted(undisturbed.sweep.glob("searches/*/allocations/*/*/allocation.json")):
        summary = json.loads(path.read_text())
        assert summary["question"]["fingerprint"] in allocated
        assert set(summary["plans"]) == {"sign", "sign_uniform"}
        assert all(edge[0] != "skip_connect" for edge in summary["genotype"]["normal"]["edges"])
        assert (summary["agreement"] is None) == (summary["epoch"] == 1)
        assert (path.parent / "genotype.svg").stat().st_size > 1000
    searched = [
        p
        for p in undisturbed.sweep.glob("searches/*")
        if json.loads((p / "record.json").read_text())["trial"]["skip"] == "searched"
    ]
    assert len(searched) == 2
    assert not any((path / "allocations").exists() for path in searched)


def test_tracking_has_every_epoch_once(undisturbed: SweepProcess) -> None:
    undisturbed.check_tracked_once()


def test_tracking_has_artifacts_params_and_data(undisturbed: SweepProcess) -> None:
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{undisturbed.folder / 'results' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("small")
    assert experiment is not None
    runs = {run.data.tags["aca.fingerprint"]: run for run in client.search_runs([experiment.experiment_id])}
    record = next(r for r in undisturbed.records() if r["kind"] == "search" and r["trial"]["skip"] == "allocated")
    run = runs[record["fingerprint"]]
    assert run.inputs.dataset_inputs[0].dataset.name == "digits"
    assert run.data.tags["aca.method"] == "darts"
    names = {artifact.path for artifact in client.list_artifacts(run.info.run_id)}
    assert {"genotype.json", "genotype.svg", "mixing.svg", "milestones"} <= names
    parent = client.get_run(run.data.tags["mlflow.parentRunId"])
    comparison = {Path(a.path).name for a in client.list_artifacts(parent.info.run_id, "comparison")}
    assert {"comparison.csv", "comparison.parquet", "report.html", "report.md", "test_accuracy.svg"} <= comparison
    means = [name for name in parent.data.metrics if name.startswith("comparison/") and name.endswith("/mean")]
    assert any("searched" in name for name in means)


def test_a_second_run_repeats_nothing(undisturbed: SweepProcess) -> None:
    before = {path: path.stat().st_mtime_ns for path in undisturbed.sweep.glob("*/*/milestones/*.ckpt")}
    code, output = undisturbed.run("run", "spec.yaml")
    assert code == 0, output
    after = {path: path.stat().st_mtime_ns for path in undisturbed.sweep.glob("*/*/milestones/*.ckpt")}
    assert before == after
    undisturbed.check_tracked_once()


def test_a_spec_that_drops_finished_trials_is_refused(undisturbed: SweepProcess) -> None:
    other = undisturbed.folder / "other.yaml"
    other.write_text((undisturbed.folder / "spec.yaml").read_text().replace("epochs: [2, 4]", "epochs: [3]"))
    code, output = undisturbed.run("run", "other.yaml")
    assert code == 2
    assert "experiment.epochs: 2" in output
    assert "experiment.epochs: 4" in output


def test_status_and_compare_need_no_ray(undisturbed: SweepProcess) -> None:
    code, output = undisturbed.run("status", "small")
    assert code == 0
    assert "12 trials: 12 finished; " in output
    code, output = undisturbed.run("compare", "small")
    assert code == 0
    assert "darts" in output


def test_the_time_of_a_sweep_is_estimated_on_ray(undisturbed: SweepProcess) -> None:
    code, output = undisturbed.run("check", "spec.yaml", "--estimate")
    assert code == 0, output
    assert f"with {os.cpu_count()} trials at once" in output
    rows = re.findall(r"^(\w+) .* (\d+) +\d+:\d\d +\d+:\d\d$", output, re.MULTILINE)
    # Two kinds of searches with two budgets each; retrainings of both kinds; rankings of 2 and 4 milestones.
    assert sorted(rows) == [("ranking", "6"), ("retraining", "2"), ("retraining", "6"), *[("search", "1")] * 4]


def test_rank_gives_the_plan_of_the_sweep(undisturbed: SweepProcess) -> None:
    record = next(r for r in undisturbed.records() if r["kind"] == "search" and r["trial"]["skip"] == "allocated")
    search = undisturbed.sweep / "searches" / record["fingerprint"][:12]
    milestone = search / "milestones" / f"epoch_{record['num_epochs']:04d}.ckpt"
    code, output = undisturbed.run(
        "rank", str(milestone), "--allocation", "sign", "otsu", "--protocol", "small", "--out", "ranked"
    )
    assert code == 0, output
    (summary_path,) = undisturbed.folder.glob("ranked/*/allocation.json")
    summary = json.loads(summary_path.read_text())
    (swept_path,) = search.glob(f"allocations/epoch_{record['num_epochs']:04d}/*/allocation.json")
    swept = json.loads(swept_path.read_text())
    assert summary["plans"]["sign"] == swept["plans"]["sign"]
    assert set(summary["plans"]) == {"sign", "otsu"}


def test_retrain_repeats_a_retraining_of_the_sweep(undisturbed: SweepProcess) -> None:
    record = next(r for r in undisturbed.records() if r["kind"] == "retraining" and r["trial"]["allocation"] == "sign")
    network = undisturbed.sweep / "retrainings" / record["fingerprint"][:12] / "network.json"
    data = json.dumps(record["trial"]["data"])
    code, output = undisturbed.run(
        "retrain", str(network), "--data", data, "--protocol", "small", "--seed", "0", "--out", "again"
    )
    assert code == 0, output
    again = json.loads((undisturbed.folder / "again" / "record.json").read_text())
    assert again["result"] == record["result"]  # same network, data, protocol and seed: bit-identical
