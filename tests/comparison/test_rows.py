from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aca_ray.comparison import kind_of, read_sweep
from aca_ray.errors import ConfigError
from aca_ray.records import SweepFolder

if TYPE_CHECKING:
    from conftest import SweepWriter

RULE = ("taylor_identity", "sign")
PLANS = {
    "sign": {"refilled_share": 0.4, "kept_share": [], "parameters": 90, "macs": 1},
    "all": {"refilled_share": 0.0, "kept_share": [], "parameters": 120, "macs": 2},
}


def test_networks_take_their_search_seconds_from_the_search(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(epochs=4)
    fingerprint = sweep_folder.network(search, 0.9, seed=0, epochs=3)
    (row,) = read_sweep(sweep_folder.folder).networks
    assert (row.sweep, row.method, row.skip, row.data, row.protocol) == ("toy", "darts", "searched", "digits", "tiny")
    assert (row.test_accuracy, row.ranking, row.allocation, row.num_skips) == (0.9, None, None, 4)
    assert row.search_seconds == pytest.approx(30.0)  # three of the four epochs of 10 s
    assert row.retraining_seconds == 12.5
    assert (row.search, row.fingerprint) == (search, fingerprint)
    setting = json.loads(row.setting)
    assert setting["data"] == {"valid_share": 0.5}
    assert setting["search"]["network"] == {"channels": 8, "cells": 5}
    assert setting["network"] == {"channels": 16, "cells": 8}


def test_evaluation_without_its_search_has_no_search_seconds(sweep_folder: SweepWriter) -> None:
    sweep_folder.network("f" * 64, 0.9)
    (row,) = read_sweep(sweep_folder.folder).networks
    assert row.search_seconds is None


def test_curves_have_one_row_per_epoch(sweep_folder: SweepWriter) -> None:
    sweep_folder.search(epochs=3)
    rows = read_sweep(sweep_folder.folder).curves
    assert [row.epoch for row in rows] == [1, 2, 3]
    assert [row.skip_count for row in rows] == [1.0, 2.0, 3.0]
    assert [row.parametric_count for row in rows] == [15.0, 14.0, 13.0]
    assert rows[-1].search_valid_accuracy == pytest.approx(0.5)


def test_missing_metrics_are_none(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(epochs=1)
    file = sweep_folder.path / "searches" / search[:12] / "record.json"
    record = json.loads(file.read_text())
    record["rows"][0]["metrics"] = {"search_train/accuracy": None}
    file.write_text(json.dumps(record))
    (row,) = read_sweep(sweep_folder.folder).curves
    assert (row.search_train_accuracy, row.search_valid_accuracy, row.entropy) == (None, None, None)


def test_allocations_have_one_row_per_milestone_and_rule(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(skip="allocated")
    sweep_folder.allocation(search, 1, PLANS)
    agreement = {"previous_epoch": 1, "kendall_tau": 0.7, "jaccard": 0.8}
    sweep_folder.allocation(search, 2, PLANS, agreement=agreement)
    rows = read_sweep(sweep_folder.folder).allocations
    assert [(row.epoch, row.allocation) for row in rows] == [(1, "all"), (1, "sign"), (2, "all"), (2, "sign")]
    assert (rows[1].refilled_share, rows[1].parameters, rows[1].kendall_tau) == (0.4, 90, None)
    assert (rows[3].kendall_tau, rows[3].jaccard, rows[3].decided_share) == (0.7, 0.8, 0.6)


def test_failed_and_unfinished_trials_are_counted_and_give_no_network(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(state="running")
    sweep_folder.network(search, 0.0, seed=1, state="running")
    (sweep_folder.path / "retrainings" / "0123456789ab").mkdir()  # begun, nothing written yet
    text = (
        "Traceback (most recent call last):\n  File 'a.py', line 1\nKeyError: 'x'\n\nDuring handling ...\n\n"
        "Traceback (most recent call last):\n  File 'b.py', line 2\n    raise\n"
        "aca_ray.errors.TrialError: loss is not finite\nlower the learning rate\n"
    )
    sweep_folder.network(search, 0.0, seed=2, state="failed", error=text)
    rows = read_sweep(sweep_folder.folder)
    assert rows.networks == ()
    assert rows.unfinished == 3
    ((kind, trial, error),) = rows.failed
    assert (kind, trial["seed"], error) == ("retraining", 2, "aca_ray.errors.TrialError: loss is not finite")


def test_empty_sweep_has_no_rows(sweep_folder: SweepWriter) -> None:
    rows = read_sweep(sweep_folder.folder)
    assert (rows.networks, rows.curves, rows.allocations, rows.failed, rows.unfinished) == ((), (), (), (), 0)


def test_every_malformed_file_is_named(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search()
    first = sweep_folder.network(search, 0.9, result={"parameters": "many"})
    second = sweep_folder.network(search, 0.9, seed=1)
    (sweep_folder.path / "retrainings" / second[:12] / "record.json").write_text('{"schema": "aca_')
    with pytest.raises(ConfigError) as caught:
        read_sweep(sweep_folder.folder)
    problems = sorted(caught.value.problems, key=lambda problem: second[:12] in problem)
    assert len(problems) == 2
    assert f"{first[:12]}/record.json: result.parameters" in problems[0]
    assert "'many'" in problems[0]
    assert f"{second[:12]}/record.json" in problems[1]


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("schema", "other", "found schema 'other' version 1"),
        ("version", 2, "found schema 'aca_ray.record' version 2"),
        ("kind", "search", "must be the record of a retraining or look-up .*found that of a search"),
        ("state", "paused", "state must be 'running', 'finished' or 'failed', found 'paused'"),
        ("result", None, "result must be given in the record of a finished trial, found None"),
        ("seconds", 1e300, "seconds must be less than"),
        ("seconds", -1, "seconds must be greater than"),
    ],
)
def test_broken_fields_are_named(sweep_folder: SweepWriter, key: str, value: object, rule: str) -> None:
    fingerprint = sweep_folder.network(sweep_folder.search(), 0.9)
    file = sweep_folder.path / "retrainings" / fingerprint[:12] / "record.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), key: value}))
    with pytest.raises(ConfigError, match=rule):
        read_sweep(sweep_folder.folder)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere: .*folder of a sweep"):
        read_sweep(SweepFolder(tmp_path / "nowhere"))


def test_peaks_devices_and_accuracies_of_the_search_reach_the_network(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(epochs=4, record={"environment": {"device": "GPU B"}})
    rows = [
        {"epoch": epoch, "time_ms": 0, "metrics": {"memory/peak_bytes": peak}}
        for epoch, peak in ((1, 3e6), (2, 7e6), (3, None))
    ]
    sweep_folder.network(search, 0.9, epochs=3, record={"rows": rows})
    (row,) = read_sweep(sweep_folder.folder).networks
    assert (row.search_device, row.device) == ("GPU B", "GPU A")
    assert (row.search_peak_bytes, row.peak_bytes) == (3e6, 7e6)  # three of the four epochs
    assert row.search_valid_accuracy == pytest.approx(0.4 + 0.1 * 3 / 4)
    assert row.data_digest == "d" * 64
    assert row.ranking_seconds is None


def test_ranking_seconds_are_those_of_the_milestone_and_ranker(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(skip="allocated")
    sweep_folder.allocation(search, 1, PLANS, seconds=3.0)
    sweep_folder.allocation(search, 2, PLANS, seconds=5.0)
    sweep_folder.network(search, 0.9, epochs=1, rule=RULE)
    sweep_folder.network(search, 0.9, epochs=2, rule=RULE)
    sweep_folder.network(search, 0.9, epochs=2, rule=("random", "sign"))
    rows = read_sweep(sweep_folder.folder).networks
    assert {(row.ranking, row.epochs): row.ranking_seconds for row in rows} == {
        ("taylor_identity", 1): 3.0,
        ("taylor_identity", 2): 5.0,
        ("random", 2): None,
    }


def test_edges_have_the_kept_share_of_every_stage(sweep_folder: SweepWriter) -> None:
    genotype = {
        **{"schema": "aca_ray.genotype", "version": 1},
        "normal": {"edges": [["skip_connect", 1, 2], ["sep_conv_3x3", 0, 2]], "concat": [2]},
        "reduce": {"edges": [["max_pool_3x3", 0, 2]], "concat": [2]},
    }
    shares = [[1.0, 0.5], [0.25], [0.0, 0.75], [0.5], [1.0, 1.0]]
    plan = {**PLANS["sign"], "kept_share": shares}
    search = sweep_folder.search(skip="allocated", seed=3)
    sweep_folder.allocation(search, 2, {"sign": plan}, genotype=genotype)
    rows = read_sweep(sweep_folder.folder).edges
    assert [row.kept_share for row in rows] == [share for stage in shares for share in stage]
    assert [row.stage for row in rows] == [0, 0, 1, 2, 2, 3, 4, 4]
    assert (rows[1].operation, rows[1].source, rows[1].target) == ("sep_conv_3x3", 0, 2)
    assert (rows[2].operation, rows[2].seed, rows[2].epoch, rows[2].allocation) == ("max_pool_3x3", 3, 2, "sign")
    sweep_folder.allocation(search, 2, {"sign": {**plan, "kept_share": [[1.0]]}}, genotype=genotype)
    with pytest.raises(ConfigError, match=r"plans.sign.kept_share must be .*found \(\(1.0,\),\)"):
        read_sweep(sweep_folder.folder)


def test_ranker_without_errors_has_no_decided_share(sweep_folder: SweepWriter) -> None:
    sweep_folder.allocation(sweep_folder.search(skip="allocated"), 2, PLANS, decided_share=None)
    assert {row.decided_share for row in read_sweep(sweep_folder.folder).allocations} == {None}


def test_every_record_is_a_trial_whatever_its_state(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(state="running", record={"resumes": 2})
    sweep_folder.network(search, 0.9, seed=4, retrain_seed=7, state="failed", error="boom")
    first, second = read_sweep(sweep_folder.folder).trials
    assert (first.kind, first.state, first.resumes, first.retrain_seed) == ("search", "running", 2, None)
    assert (first.device, first.host, first.threads) == ("GPU A", "node1", 1)
    assert (first.data_source, first.num_images, first.options) == ("sklearn", 1437, '{"valid_share":0.5}')
    assert json.loads(first.versions) == {"aca_ray": "0.1.0", "python": "3.11.7", "torch": "2.14.1"}
    assert (second.kind, second.state, second.protocol, second.retrain_seed) == ("retraining", "failed", "tiny", 7)


def test_a_trial_that_failed_before_it_ran_has_no_provenance(sweep_folder: SweepWriter) -> None:
    sweep_folder.search(state="failed", record={"environment": None, "data_info": None, "process": ""})
    (trial,) = read_sweep(sweep_folder.folder).trials
    assert (trial.device, trial.host, trial.threads) == (None, None, 1)
    assert (trial.data_digest, trial.versions) == (None, "{}")


def test_skip_free_networks_controls_tables_and_protocols_by_value_are_read(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(skip="allocated")
    table = {"name": "nasbench201"}
    sweep_folder.network(search, 0.9, rule=(None, "all"), table=table)
    sweep_folder.network(search, 0.8, rule=RULE, control="random", protocol={"base": "tiny", "epochs": 3})
    rows = read_sweep(sweep_folder.folder)
    found = {(row.protocol, row.ranking, row.allocation, row.control, row.shared_with) for row in rows.networks}
    assert found == {
        ("table nasbench201", None, "all", None, None),
        ("tiny(epochs=3)", *RULE, "random", None),
    }
    assert {(kind_of(row).networks, kind_of(row).pair, kind_of(row).control) for row in rows.networks} == {
        ("skip-free", None, None),
        ("allocated", RULE, "random"),
    }
    assert {trial.protocol for trial in rows.trials} == {None, "table nasbench201", "tiny(epochs=3)"}
    assert {trial.image_size for trial in rows.trials} == {"16x16"}


def test_every_ranker_of_a_milestone_is_read(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(skip="allocated")
    for ranking in ("fisher", "taylor_identity"):
        sweep_folder.allocation(search, 2, PLANS, ranking=ranking)
    rows = read_sweep(sweep_folder.folder)
    assert [(row.ranking, row.allocation) for row in rows.allocations] == [
        (ranking, rule) for ranking in ("fisher", "taylor_identity") for rule in ("all", "sign")
    ]
    assert [score.ranking for score in rows.scores] == ["fisher", "taylor_identity"]
