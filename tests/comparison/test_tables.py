"""Data files, and tables of a page and a terminal."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest

from aca_ray.comparison import Comparison, NetworkRow, Pair, SweepRows, compare, read_sweep
from aca_ray.errors import ConfigError, StorageError
from aca_ray.report.panel import make_sections
from aca_ray.report.panels import PANELS, differences
from aca_ray.report.row_files import RowFile, write_files
from aca_ray.report.terminal import to_text
from aca_ray.storage import StoragePath

if TYPE_CHECKING:
    from conftest import SweepWriter

Build = Callable[..., NetworkRow]
MAIN = Pair("taylor_identity", "sign")


@pytest.fixture
def rows(network_row: Build) -> SweepRows:
    """Three seeds of two methods, one of which has a control and no searched network."""
    networks = [
        network_row(accuracy + 0.1 / 3 * seed * seed, rule, seed=seed, method=method, control=control)
        for method, accuracy, rule, control in (
            ("darts", 0.5, None, None),
            ("darts", 0.61, MAIN, None),
            ("a_method_with_quite_a_long_name", 0.6, MAIN, None),
            ("a_method_with_quite_a_long_name", 0.55, MAIN, "uniform"),
        )
        for seed in range(3)
    ]
    networks.append(network_row(0.7, MAIN, seed=7))
    return SweepRows(networks=tuple(networks))


def _write(comparison: Comparison, folder: Path) -> list[StoragePath]:
    return write_files([file for section in make_sections(comparison, PANELS) for file in section.files], folder)


def _csv(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text())))


def _texts(row: Any) -> dict[str, str]:
    """Return the fields of a row as they are in CSV."""
    return {name: "" if value is None else str(value) for name, value in asdict(row).items()}


def test_files_hold_the_rows(rows: SweepRows, tmp_path: Path) -> None:
    folder = tmp_path / "comparison"
    paths = _write(compare(rows, [MAIN]), folder)
    assert [path.name for path in paths] == [
        "networks.csv",
        "networks.parquet",
        "comparison.csv",
        "comparison.parquet",
        "pairs.csv",
        "kept_shares.csv",
        "costs.csv",
        "curves.parquet",
        "correlations.csv",
        "allocations.csv",
        "edges.parquet",
        "stability.csv",
        "refill.csv",
        "ranker_agreement.csv",
        "trials.parquet",
        "provenance.csv",
        "checklist.csv",
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(path.name for path in paths)
    assert pq.read_table(folder / "networks.parquet").to_pylist() == [asdict(row) for row in rows.networks]
    assert _csv(folder / "networks.csv") == [_texts(row) for row in rows.networks]
    table = pq.read_table(folder / "comparison.parquet").to_pylist()
    assert _csv(folder / "comparison.csv") == [
        {name: "" if value is None else str(value) for name, value in row.items()} for row in table
    ]


def test_files_without_rows_have_columns_of_the_right_types(tmp_path: Path) -> None:
    _write(compare(SweepRows()), tmp_path)
    schema = pq.read_schema(tmp_path / "comparison.parquet")
    types = {
        name: str(schema.field(name).type) for name in ("space", "epochs", "main_n", "main_mean", "main_best_seed")
    }
    assert list(types.values()) == ["string", "int64", "int64", "double", "int64"]
    assert len(schema.names) == 66
    assert str(pq.read_schema(tmp_path / "curves.parquet").field("churn").type) == "int64"
    assert (tmp_path / "stability.csv").read_text().startswith("method,space,data,setting,epochs,ranking,epoch,n,")


def test_curves_and_allocations_are_written(sweep_folder: SweepWriter, tmp_path: Path) -> None:
    search = sweep_folder.search(skip="allocated")
    plan = {"refilled_share": 1 / 3, "kept_share": [], "parameters": 90, "macs": 1}
    sweep_folder.allocation(search, 2, {"sign": plan})
    rows = read_sweep(sweep_folder.folder)
    _write(compare(rows, [MAIN]), tmp_path)
    assert pq.read_table(tmp_path / "curves.parquet").to_pylist() == [asdict(row) for row in rows.curves]
    assert _csv(tmp_path / "allocations.csv") == [_texts(row) for row in rows.allocations]


def test_machine_rows_hold_fractions_and_no_nan(rows: SweepRows, tmp_path: Path) -> None:
    _write(compare(rows, [MAIN]), tmp_path)
    table = pq.read_table(tmp_path / "comparison.parquet").to_pylist()
    assert not any(isinstance(value, float) and math.isnan(value) for row in table for value in row.values())
    compared = [SimpleNamespace(**row) for row in table]
    assert [(row.method[:5], row.main_networks, row.baseline) for row in compared] == [
        ("a_met", "allocated", "searched"),
        ("a_met", "allocated", "skip-free"),
        ("a_met", "allocated", "control"),
        ("darts", "skip-free", "searched"),
        ("darts", "allocated", "searched"),
        ("darts", "allocated", "skip-free"),
    ]
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
    assert to_text(compare(SweepRows(), [MAIN])).startswith("No network")


def test_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rows\.xls: .*\.csv or \.parquet, found '\.xls'"):
        write_files([RowFile("rows.xls", "rows", [], NetworkRow)], tmp_path)


def test_unwritable_folder_is_named(rows: SweepRows, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"networks\.csv: cannot be written"):
        _write(compare(rows, [MAIN]), tmp_path / "file")


def test_a_failed_write_leaves_the_old_file_and_no_partial_one(rows: SweepRows, tmp_path: Path) -> None:
    good = RowFile("networks.parquet", "rows", rows.networks, NetworkRow)
    (path,) = write_files([good], tmp_path)
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        write_files([good._replace(rows=[object()])], tmp_path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["networks.parquet"]


def test_kinds_of_networks_are_side_by_side_with_their_differences(network_row: Build) -> None:
    arms = {None: (0.80, 0.82), (None, "all"): (0.83, 0.84), MAIN: (0.82, 0.86)}
    rows = SweepRows(
        networks=tuple(
            network_row(value, rule, seed=seed) for rule, values in arms.items() for seed, value in enumerate(values)
        )
    )
    comparison = compare(rows, [MAIN])
    table, tests = differences.PANEL.tables(comparison)
    assert [column.name for column in table.columns] == [
        *("method", "epochs", "n", "searched", "skip-free", "allocated"),
        *("skip-free - searched", "allocated - searched", "allocated - skip-free"),
    ]
    (row,) = table.cells
    assert row[2].text == "2/2/2"
    assert [cell.value for cell in row[3:]] == pytest.approx([0.81, 0.835, 0.84, 0.025, 0.03, 0.005])
    assert [cells[2].text for cells in tests.cells] == [column.name for column in table.columns[6:]]
    text = to_text(comparison)
    assert all(f" {difference} " in text for difference in ("skip-free - searched", "allocated - skip-free"))
