from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy import stats

from aca_ray.comparison import (
    AllocationRow,
    Comparison,
    EdgeRow,
    NetworkRow,
    Pair,
    ScoreFile,
    SweepRows,
    compare,
    read_sweep,
)
from aca_ray.errors import DataError, StorageError
from aca_ray.report.notes import notes_of
from aca_ray.report.panels.checklist import checklist_items
from aca_ray.report.panels.provenance import provenance_rows

if TYPE_CHECKING:
    from conftest import SweepWriter

Build = Callable[..., NetworkRow]
MAIN = Pair("taylor_identity", "sign")
PLACE: dict[str, Any] = {"sweep": "toy", "method": "darts", "space": "darts", "data": "digits", "setting": "{}"}
PLACE |= {"epochs": 8, "seed": 0, "epoch": 4, "ranking": "taylor_identity", "allocation": "sign", "search": "s"}
ALLOCATION = AllocationRow(**PLACE, refilled_share=0.4, parameters=90, kendall_tau=0.5, jaccard=0.6, decided_share=None)
EDGE = EdgeRow(**PLACE, stage=0, source=0, target=2, operation="sep_conv_3x3", kept_share=0.25)


def _compared(*rows: NetworkRow, **more: Any) -> Comparison:
    return compare(SweepRows(networks=rows, **more), [MAIN])


def test_correlation_is_over_seeds_and_budgets_with_retrainings_averaged(network_row: Build) -> None:
    points = [(0, 4, 0.60, (0.90, 0.70)), (1, 4, 0.65, (0.81,)), (0, 8, 0.70, (0.85,)), (1, 8, 0.50, (0.70,))]
    rows = [
        network_row(value, seed=seed, epochs=epochs, search_valid_accuracy=valid, retrain_seed=index)
        for seed, epochs, valid, values in points
        for index, value in enumerate(values)
    ]
    (row,) = _compared(*rows).correlations
    assert (row.method, row.networks, row.protocol, row.n) == ("darts", "searched", "tiny", 4)
    expected = stats.kendalltau([0.60, 0.65, 0.70, 0.50], [0.80, 0.81, 0.85, 0.70])
    assert (row.kendall_tau, row.pvalue) == pytest.approx((expected.statistic, expected.pvalue))


def test_correlation_leaves_out_controls_and_unknown_accuracies(network_row: Build) -> None:
    rows = [network_row(0.8 + seed / 100, MAIN, seed=seed) for seed in range(3)]
    rows += [network_row(0.7, MAIN, control="uniform", seed=seed) for seed in range(3)]
    rows += [network_row(0.8, seed=seed, search_valid_accuracy=None) for seed in range(3)]
    allocated, searched = _compared(*rows).correlations
    assert (allocated.networks, allocated.n, allocated.kendall_tau) == ("allocated", 3, None)  # one supernet accuracy
    assert (searched.n, searched.kendall_tau, searched.pvalue) == (0, None, None)


def test_stability_is_a_mean_over_seeds() -> None:
    rows = [
        replace(ALLOCATION, seed=seed, kendall_tau=tau, search=str(seed)) for seed, tau in enumerate((0.4, 0.5, 0.6))
    ]
    rows += [replace(row, allocation="otsu") for row in rows]  # another rule of the same ranks
    rows += [replace(ALLOCATION, epoch=2, kendall_tau=None, jaccard=None)]  # the first milestone
    rows += [replace(ALLOCATION, epoch=8, kendall_tau=None, jaccard=1.0)]
    at_4, at_8 = _compared(allocations=tuple(rows), unfinished=1).stability
    assert (at_4.epoch, at_4.n) == (4, 3)
    # sd 0.1, t_0.975,2 = 4.30265
    assert (at_4.kendall_tau_mean, at_4.kendall_tau_low) == pytest.approx((0.5, 0.5 - 4.30265 * 0.1 / 3**0.5), abs=1e-5)
    assert (at_4.jaccard_mean, at_4.jaccard_low) == (pytest.approx(0.6), None)  # equal values
    assert (at_8.n, at_8.kendall_tau_mean, at_8.jaccard_mean, at_8.jaccard_low) == (1, None, 1.0, None)


def test_searches_shared_by_two_sweeps_count_once() -> None:
    sweep = SweepRows(allocations=(ALLOCATION,), edges=(EDGE,), unfinished=1)
    comparison = compare([sweep, replace(sweep, sweep="other")], [MAIN])
    assert [row.n for row in comparison.stability] == [1]
    assert [row.n for row in comparison.refill] == [1, 1]
    again = replace(EDGE, source=1, kept_share=0.9, search="t")  # the seed once more, with other milestones
    assert compare([sweep, replace(sweep, edges=(again,))], [MAIN]).refill == comparison.refill


def test_different_settings_are_not_pooled_in_panels() -> None:
    rows = (ALLOCATION, replace(ALLOCATION, seed=1, setting='{"x":1}'))
    edges = (EDGE, replace(EDGE, seed=1, setting='{"x":1}'))
    comparison = _compared(allocations=rows, edges=edges, unfinished=1)
    assert [(row.setting, row.n) for row in comparison.stability] == [('{"x":1}', 1), ("{}", 1)]
    assert {row.n for row in comparison.refill} == {1}


def test_refill_of_a_stage_and_of_its_edges() -> None:
    rows = (
        EDGE,
        replace(EDGE, source=1, kept_share=0.75),
        replace(EDGE, seed=1, kept_share=0.5),
        replace(EDGE, seed=1, source=2, target=3, kept_share=1.0),
        replace(EDGE, stage=1, kept_share=0.0),
    )
    refill = _compared(edges=rows, unfinished=1).refill
    assert [(row.stage, row.edge, row.n, row.refilled_mean) for row in refill] == [
        (0, None, 2, pytest.approx((0.5 + 0.25) / 2)),
        (0, "normal 0->2", 2, pytest.approx((0.75 + 0.5) / 2)),
        (0, "normal 1->2", 1, 0.25),
        (0, "normal 2->3", 1, 0.0),
        (1, None, 1, 1.0),
        (1, "reduce 0->2", 1, 1.0),
    ]
    assert refill[1].refilled_low == 0.0  # the t interval of two values reaches below
    assert refill[1].refilled_high == 1.0
    assert refill[2].refilled_low is None


def test_collapse_has_every_epoch_of_every_search_once(sweep_folder: SweepWriter) -> None:
    sweep_folder.search(epochs=2, seed=1)
    sweep_folder.search(epochs=2, seed=0)
    rows = read_sweep(sweep_folder.folder)
    collapse = compare([rows, replace(rows, sweep="other")], [MAIN]).collapse
    assert [(row.seed, row.epoch) for row in collapse] == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_front_of_accuracy_and_time(network_row: Build) -> None:
    arms = {
        "cheap": {"test": 0.80, "search_seconds": 10.0},
        "good": {"test": 0.90, "search_seconds": 50.0},
        "worse_and_dearer": {"test": 0.85, "search_seconds": 60.0},
        "unknown": {"test": 0.70, "search_seconds": None},
        "elsewhere": {"test": 0.70, "search_seconds": 90.0, "search_device": "GPU B"},
        "other_data": {"test": 0.70, "search_seconds": 90.0, "setting": '{"data":{"max_test_images":9}}'},
    }
    rows = [network_row(arm.pop("test"), method=method, **arm) for method, arm in arms.items()]  # type: ignore[arg-type]
    rows += [network_row(0.90, MAIN, method="good", search_seconds=50.0, ranking_seconds=1.0, peak_bytes=5e9)]
    comparison = _compared(*rows)
    costs = {(one.arm.group.method, one.arm.networks): one for one in comparison.costs}
    assert {method: row.on_front for (method, networks), row in costs.items() if networks == "searched"} == {
        "cheap": True,
        "good": True,
        "worse_and_dearer": False,
        "unknown": None,
        "elsewhere": True,  # devices differ: not compared
        "other_data": True,  # so do the test images
    }
    allocated = costs["good", "allocated"]
    assert (allocated.on_front, allocated.seconds, allocated.arm.peak_bytes) == (False, 81.0, 5e9)
    assert (allocated.arm.search_devices, allocated.arm.retraining_devices) == (("GPU A",), ("GPU A",))
    assert any("2 kinds of devices (GPU A, GPU B)" in note for note in notes_of(comparison))


def test_provenance_names_what_differs(sweep_folder: SweepWriter) -> None:
    search = sweep_folder.search(record={"resumes": 3})
    sweep_folder.network(search, 0.9, seed=2, retrain_seed=1, record={"threads": 4})
    sweep_folder.network(
        search, 0.9, seed=3, retrain_seed=0, record={"environment": {"aca_ray": "0.2.0", "device": "CPU X"}}
    )
    facts = {row.topic: row.value for row in provenance_rows([read_sweep(sweep_folder.folder)])}
    assert facts["trials"] == "1 searches, 2 retrainings, 0 look-ups"
    assert facts["code version"] == "differs: 0.1.0 (2 trials), 0.2.0 (1 trials)"
    assert facts["python"] == "differs: 3.11.7 (2 trials), unknown (1 trials)"
    assert facts["package torch"] == "differs: 2.14.1 (2 trials), unknown (1 trials)"
    assert (
        facts["data digits"]
        == f'source sklearn; digest {"d" * 64}; images 16x16; augmentation crop; options {{"valid_share":0.5}}'
    )
    assert "training images in searches (search_train and search_valid): 1437" in facts["splits of digits"]
    assert (facts["search seeds"], facts["retraining seeds"]) == ("0", "0, 1")
    assert facts["precision of searches"] == "float32"
    assert facts["devices"] == "differs: GPU A (2 trials), CPU X (1 trials)"
    assert (facts["hosts"], facts["threads"]) == ("node1", "differs: 1 (2 trials), 4 (1 trials)")
    assert "2 kinds of devices and thread counts" in facts["determinism"]
    assert facts["resumes"] == f"3 in 1 trials: search {search[:12]} (3)"


def test_checklist_is_answered_from_the_rows(network_row: Build, sweep_folder: SweepWriter) -> None:
    sweep_folder.search()
    trials = read_sweep(sweep_folder.folder).trials
    rows = [
        network_row(value, rule, seed=seed, epochs=epochs, method=method, control=control)
        for method, value in (("darts", 0.8), ("random_search", 0.7))
        for rule, control in ((None, None), (MAIN, None), (MAIN, "uniform"))
        for seed in range(2)
        for epochs in (4, 8)
    ]
    full = [item.answer for item in checklist_items(_compared(*rows, trials=trials))]
    assert full.count("yes") == len(full) - 5  # four that only people can answer, and no tabular benchmark
    alone = checklist_items(_compared(network_row(0.8), trials=(*trials, replace(trials[0], device="other"))))
    for words, answer in (
        ("random search", "no"),
        ("repeated", "no"),
        ("confounders", "partly"),
        ("one budget", "no"),
    ):
        assert [item.answer for item in alone if words in item.item] == [answer]
    table = network_row(0.8, protocol="table nasbench201")
    (item,) = (item for item in checklist_items(_compared(table)) if "tabular" in item.item)
    assert item.answer == "yes"


def _scores(path: Path, scores: dict[int, list[float]]) -> Path:
    rows = [
        {"cell": 0, "source": source, "target": 2, "operation": "sep_conv_3x3", "channel": channel, "score": score}
        for source, values in scores.items()
        for channel, score in enumerate(values)
    ]
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def _score_file(file: Path, ranking: str, search: str = "s") -> ScoreFile:
    return ScoreFile("darts", "darts", "digits", "{}", 8, search, 4, ranking, file)


def test_rankers_agree_where_two_sweeps_ranked_one_search(tmp_path: Path) -> None:
    one = _scores(tmp_path / "one.parquet", {0: [1.0, 2.0, 3.0], 1: [1.0, 2.0, 3.0], 3: [1.0, 2.0, 3.0]})
    two = _scores(tmp_path / "two.parquet", {0: [1.0, 3.0, 2.0], 1: [5.0, 6.0, 7.0], 2: [0.0, 0.0, 0.0]})
    first = SweepRows(
        scores=(_score_file(one, "taylor"), _score_file(tmp_path / "unread", "taylor", "t")), unfinished=1
    )
    second = SweepRows(scores=(_score_file(two, "magnitude"),), sweep="other", unfinished=1)
    (row,) = compare([first, second], [MAIN]).ranker_agreement
    assert (row.ranking_a, row.ranking_b, row.epoch, row.n) == ("magnitude", "taylor", 4, 1)
    assert row.kendall_tau_mean == pytest.approx((1 / 3 + 1) / 2)  # over the edges that both have
    assert row.kendall_tau_low is None
    assert compare([first, first], [MAIN]).ranker_agreement == ()


def test_unreadable_scores_are_named(tmp_path: Path) -> None:
    good = _scores(tmp_path / "good.parquet", {0: [1.0, 2.0]})
    (tmp_path / "bad.parquet").write_text("no parquet")
    for file, error in ((tmp_path / "bad.parquet", DataError), (tmp_path / "gone.parquet", StorageError)):
        rows = SweepRows(scores=(_score_file(good, "a"), _score_file(file, "b")))
        with pytest.raises(error, match=rf"{file.name}: "):
            _ = compare(rows, [MAIN]).ranker_agreement


def test_ten_seeds_have_a_bootstrap_interval(network_row: Build) -> None:
    comparison = _compared(*(network_row(0.8 + seed * seed / 1000, seed=seed) for seed in range(10)))
    assert any("10 seeds" in note and "BCa, 9,999 resamples" in note for note in notes_of(comparison))
    assert comparison.groups[0].arms["searched"].test_accuracy.interval == "bootstrap"
