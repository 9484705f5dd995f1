"""Random architectures as a baseline, and the families of tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest

from aca_ray.comparison import NetworkRow, Pair, SweepRows, compare, holm, paired
from aca_ray.report.notes import notes_of
from aca_ray.report.panels import differences
from aca_ray.report.row_files import write_files

Build = Callable[..., NetworkRow]
MAIN = Pair("taylor_identity", "sign")
RANDOM = (0.70, 0.72, 0.75, 0.71)


def _rows(build: Build, method: str, values: tuple[float, ...], **more: object) -> list[NetworkRow]:
    return [build(value, seed=seed, method=method, **more) for seed, value in enumerate(values)]


def test_every_method_is_compared_with_random_architectures(network_row: Build) -> None:
    searched, allocated = (0.8, 0.83, 0.81, 0.82), (0.81, 0.85, 0.84, 0.82)
    rows = _rows(network_row, "random_search", RANDOM) + _rows(network_row, "darts", searched)
    rows += _rows(network_row, "darts", allocated, rule=MAIN)
    darts, random = compare(SweepRows(networks=tuple(rows)), [MAIN]).groups
    assert random.random_baselines == ()
    assert [baseline.main for baseline in darts.random_baselines] == ["searched", "allocated"]
    for baseline, values in zip(darts.random_baselines, (searched, allocated), strict=True):
        assert baseline.difference == paired(values, RANDOM)
        assert baseline.baseline_arm == random.arms["searched"]
    pvalues = [baseline.difference.t_pvalue for baseline in darts.random_baselines if baseline.difference]
    assert [baseline.holm_pvalue for baseline in darts.random_baselines] == list(holm([p for p in pvalues if p]))
    own = darts.difference("allocated", "searched")
    assert own.difference == paired(allocated, searched)
    assert own.holm_pvalue == own.difference.t_pvalue  # a family of its own


@pytest.mark.parametrize("other", [{"protocol": "long"}, {"setting": '{"x":1}'}, {"epochs": 9}, {"space": "s1"}])
def test_random_architectures_of_another_group_are_no_baseline(network_row: Build, other: dict[str, object]) -> None:
    rows = _rows(network_row, "random_search", RANDOM, **other) + _rows(network_row, "darts", RANDOM)
    assert not any(group.random_baselines for group in compare(SweepRows(networks=tuple(rows)), [MAIN]).groups)


def test_bands_of_parameters_are_compared(network_row: Build) -> None:
    rows = [network_row(0.7, seed=seed, method="random_search", parameters=100 + 10 * seed) for seed in range(3)]
    rows += [network_row(0.8, seed=seed, parameters=120 + seed) for seed in range(3)]
    rows += [network_row(0.8, MAIN, seed=seed, parameters=80 + seed) for seed in range(3)]
    comparison = compare(SweepRows(networks=tuple(rows)), [MAIN])
    searched, allocated = comparison.groups[0].random_baselines
    arms = (searched.main_arm, searched.baseline_arm)
    assert [arm.parameter_range for arm in arms if arm] == [(120, 122), (100, 120)]
    assert (searched.bands_overlap, allocated.bands_overlap) == (True, False)
    (note,) = (note for note in notes_of(comparison) if "parameters" in note)
    assert "allocated" in note
    assert note.index("80 to 82") < note.index("random") < note.index("100 to 120")


def test_random_architectures_of_other_seeds_give_no_difference(network_row: Build) -> None:
    rows = (network_row(0.7, seed=0, method="random_search"), network_row(0.8, seed=1))
    comparison = compare(SweepRows(networks=rows), [MAIN])
    (baseline,) = comparison.groups[0].random_baselines
    assert (baseline.difference, baseline.holm_pvalue) == (None, None)
    assert any("searched" in note and "random architectures share no seed" in note for note in notes_of(comparison))


def test_one_seed_of_random_architectures_gives_no_test(network_row: Build) -> None:
    rows = [*_rows(network_row, "darts", RANDOM), network_row(0.6, seed=2, method="random_search")]
    comparison = compare(SweepRows(networks=tuple(rows)), [MAIN])
    (baseline,) = comparison.groups[0].random_baselines
    assert baseline.difference is not None
    assert (baseline.difference.n, baseline.difference.t_pvalue, baseline.holm_pvalue) == (1, None, None)
    assert any("searched - random" in note and "one pair" in note for note in notes_of(comparison))


def test_controls_are_a_family_of_tests(network_row: Build) -> None:
    rows = [
        *_rows(network_row, "darts", (0.9, 0.91, 0.94), rule=MAIN),
        *_rows(network_row, "darts", (0.85, 0.87, 0.86), rule=MAIN, control="uniform"),
        *_rows(network_row, "darts", (0.7, 0.73, 0.76), rule=MAIN, control="random"),
    ]
    comparison = compare(SweepRows(networks=tuple(rows)), [MAIN])
    controls = comparison.groups[0].controls
    pvalues = [control.difference.t_pvalue or 0.0 for control in controls if control.difference]
    assert [control.holm_pvalue for control in controls] == list(holm(pvalues))
    assert [control.control for control in controls] == ["random", "uniform"]
    assert any("2 of allocated against a control" in note for note in notes_of(comparison))


def test_machine_rows_name_baseline_and_main_arm(network_row: Build, tmp_path: Path) -> None:
    rows = _rows(network_row, "random_search", RANDOM) + _rows(network_row, "darts", (0.9, 0.8, 0.85, 0.86))
    rows += [network_row(0.91, seed=0, retrain_seed=1)]
    rows += _rows(network_row, "darts", (0.92, 0.88), rule=MAIN)
    rows += _rows(network_row, "darts", (0.9,), rule=MAIN, control="uniform")
    comparison = compare(SweepRows(networks=tuple(rows)), [MAIN])
    write_files(differences.PANEL.files(comparison), tmp_path)
    table = pq.read_table(tmp_path / "comparison.parquet").to_pylist()
    compared = [SimpleNamespace(**row) for row in table if row["method"] == "darts"]
    assert [(row.main_networks, row.baseline, row.main_ranking) for row in compared] == [
        ("skip-free", "searched", None),
        ("allocated", "searched", "taylor_identity"),
        ("allocated", "skip-free", "taylor_identity"),
        ("allocated", "control", "taylor_identity"),
        ("searched", "random_search", None),
        ("allocated", "random_search", "taylor_identity"),
    ]
    _, _, _, control, searched, _ = compared
    assert (searched.main_n, searched.main_num_networks, searched.difference_n) == (4, 5, 4)
    assert (searched.main_worst, searched.main_worst_seed) == (0.8, 1)
    assert (searched.main_best, searched.main_best_seed) == (pytest.approx(0.905), 0)
    assert searched.main_within_sd == pytest.approx(0.01 / 2**0.5)
    assert searched.main_interval == "t"
    assert (control.baseline_control, control.baseline_within_sd, control.baseline_interval) == ("uniform", None, None)
    assert searched.difference_holm_pvalue is not None
