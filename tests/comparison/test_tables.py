from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aca_ray.comparison import (
    AllocationRow,
    ComparisonRow,
    CurveRow,
    EvaluationRow,
    Pair,
    SweepRows,
    compare,
    comparison_rows,
    read_rows,
    read_sweep,
    write_rows,
)
from aca_ray.errors import ConfigError, StorageError
from aca_ray.report.arm_tables import arm_tables, difference_tables
from aca_ray.report.tables import row_files, to_text, write_tables

if TYPE_CHECKING:
    from conftest import SweepWriter

Build = Callable[..., EvaluationRow]
MAIN = Pair("taylor_identity", "sign")


@pytest.fixture
def rows(evaluation_row: Build) -> SweepRows:
    """Three seeds of two methods, one of which has a control and no searched network."""
    evaluations = [
        evaluation_row(accuracy + 0.1 / 3 * seed * seed, rule, seed=seed, method=method, control=control)
        for method, accuracy, rule, control in (
            ("darts", 0.5, None, None),
            ("darts", 0.61, MAIN, None),
            ("a_method_with_quite_a_long_name", 0.6, MAIN, None),
            ("a_method_with_quite_a_long_name", 0.55, MAIN, "uniform"),
        )
        for seed in range(3)
    ]
    evaluations.append(evaluation_row(0.7, MAIN, seed=7))
    return SweepRows(evaluations=tuple(evaluations))


def test_files_read_back_to_equal_rows(rows: SweepRows, tmp_path: Path) -> None:
    comparison = compare(rows, [MAIN])
    paths = write_tables(row_files(comparison, [rows]), tmp_path / "comparison")
    assert [path.name for path in paths] == [
        "comparison.csv",
        "comparison.parquet",
        "pairs.csv",
        "kept_shares.csv",
        "evaluations.csv",
        "evaluations.parquet",
        "curves.parquet",
        "allocations.csv",
        "edges.parquet",
        "trials.parquet",
        "correlations.csv",
        "stability.csv",
        "refill.csv",
        "ranker_agreement.csv",
        "costs.csv",
        "provenance.csv",
        "checklist.csv",
    ]
    assert sorted(path.name for path in (tmp_path / "comparison").iterdir()) == sorted(path.name for path in paths)
    for suffix in (".csv", ".parquet"):
        folder = tmp_path / "comparison"
        assert read_rows(folder / f"comparison{suffix}", ComparisonRow) == comparison_rows(comparison)
        assert read_rows(folder / f"evaluations{suffix}", EvaluationRow) == rows.evaluations


def test_curves_and_allocations_read_back(sweep_folder: SweepWriter, tmp_path: Path) -> None:
    search = sweep_folder.search(skip="allocated")
    plan = {"refilled_share": 1 / 3, "kept_share": [], "parameters": 90, "macs": 1}
    sweep_folder.allocation(search, 2, {"sign": plan})
    rows = read_sweep(sweep_folder.folder)
    write_tables(row_files(compare(rows, [MAIN]), [rows]), tmp_path)
    assert read_rows(tmp_path / "curves.parquet", CurveRow) == rows.curves
    assert read_rows(tmp_path / "allocations.csv", AllocationRow) == rows.allocations


def test_machine_rows_hold_fractions_and_no_nan(rows: SweepRows) -> None:
    compared = comparison_rows(compare(rows, [MAIN]))
    assert [(row.method[:5], row.main_networks, row.baseline) for row in compared] == [
        ("a_met", "allocated", "searched"),
        ("a_met", "allocated", "skip-free"),
        ("a_met", "allocated", "control"),
        ("darts", "skip-free", "searched"),
        ("darts", "allocated", "searched"),
        ("darts", "allocated", "skip-free"),
    ]
    assert not any(isinstance(value, float) and math.isnan(value) for row in compared for value in astuple(row))
    assert (compared[0].baseline_n, compared[0].baseline_mean, compared[0].difference_n) == (0, None, 0)
    assert (compared[2].baseline_control, compared[2].main_allocation) == ("uniform", "sign")
    assert (compared[4].main_n, compared[3].main_n) == (4, 0)
    assert compared[4].difference_mean == pytest.approx(0.11)


def test_text_shows_percent_within_the_width(rows: SweepRows) -> None:
    text = to_text(compare(rows, [MAIN]))
    assert max(map(len, text.splitlines())) <= 120
    (line,) = (line for line in text.splitlines() if line.startswith("darts") and "3/0/4" in line)
    assert "55.56 ± 6.94" in line
    (line,) = (line for line in text.splitlines() if line.startswith("darts") and "allocated - searched" in line)
    assert "+11.00" in line
    assert "nan" not in text.lower()
    assert "allocated: sign of taylor_identity" in text
    assert "allocated lacks" not in text
    assert "searched lacks seed 7" in text


def test_text_of_an_empty_comparison() -> None:
    comparison = compare(SweepRows(), [MAIN])
    assert to_text(comparison).startswith("No evaluation")
    assert comparison_rows(comparison) == ()


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rows\.xls: .*\.csv or \.parquet, found '\.xls'"):
        write_rows([], EvaluationRow, tmp_path / "rows.xls")


def test_unexpected_columns_are_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("sweep,method\ntoy,darts\n")
    with pytest.raises(ConfigError, match=r"rows\.csv: .*sweep, method, skip"):
        read_rows(tmp_path / "rows.csv", CurveRow)


def test_unwritable_folder_is_named(rows: SweepRows, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"comparison\.csv: cannot be written"):
        write_tables(row_files(compare(rows, [MAIN]), [rows]), tmp_path / "file")


def test_a_failed_write_leaves_the_old_file_and_no_partial_one(rows: SweepRows, tmp_path: Path) -> None:
    path = write_rows(rows.evaluations, EvaluationRow, tmp_path / "evaluations.parquet")
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_rows([object()], EvaluationRow, path)  # type: ignore[list-item]
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["evaluations.parquet"]


def test_kinds_of_networks_are_side_by_side_with_their_differences(evaluation_row: Build) -> None:
    arms = {None: (0.80, 0.82), (None, "all"): (0.83, 0.84), MAIN: (0.82, 0.86)}
    rows = SweepRows(
        evaluations=tuple(
            evaluation_row(value, rule, seed=seed) for rule, values in arms.items() for seed, value in enumerate(values)
        )
    )
    comparison = compare(rows, [MAIN])
    (table,) = arm_tables(comparison)
    assert [column.name for column in table.columns] == [
        *("method", "epochs", "n", "searched", "skip-free", "allocated"),
        *("skip-free - searched", "allocated - searched", "allocated - skip-free"),
    ]
    (row,) = table.rows
    assert row[2].text == "2/2/2"
    assert [cell.value for cell in row[3:]] == pytest.approx([0.81, 0.835, 0.84, 0.025, 0.03, 0.005])
    (tests,) = difference_tables(comparison)
    assert [cells[2].text for cells in tests.rows] == [column.name for column in table.columns[6:]]
    text = to_text(comparison)
    assert all(f" {difference} " in text for difference in ("skip-free - searched", "allocated - skip-free"))
