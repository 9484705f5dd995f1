"""Accuracies from a benchmark's table."""

from __future__ import annotations

import itertools
import re
import tomllib
from pathlib import Path

import pyarrow
import pytest
from pyarrow import csv, parquet

import aca_ray
from aca_ray.benchmark import TABLES, Benchmark, Standing, load_table, read_table
from aca_ray.errors import ConfigError, DataError
from aca_ray.space.nasbench201 import parse_architecture_string

SOURCE = Path(__file__).parents[3] / "shared" / "data" / "nasbench201" / "nasbench201.parquet"

NAMES = ["none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"]
ALL_SKIP = "|skip_connect~0|+|skip_connect~0|skip_connect~1|+|skip_connect~0|skip_connect~1|skip_connect~2|"


def architectures() -> list[str]:
    """The 625 architectures whose node 3 reads the others by convolutions."""
    end = "|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|"
    return [f"|{a}~0|+|{b}~0|{c}~1|+{end}" for a, b, c in itertools.product(NAMES, repeat=3)] + [ALL_SKIP]


def write(path: Path, names: list[str], values: list[object]) -> Path:
    table = pyarrow.table({"arch": names, "c10": values})
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        csv.write_csv(table, path)
    return path


@pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
@pytest.mark.parametrize("unit", [1.0, 100.0])
def test_files_and_units(tmp_path: Path, name: str, unit: float) -> None:
    names = architectures()
    fractions = [0.1 + 0.8 * index / len(names) for index in range(len(names))]
    found = read_table(write(tmp_path / name, names, [unit * value for value in fractions]), "arch", "c10")
    assert list(found) == names
    assert list(found.values()) == pytest.approx(fractions)


def test_regret_and_rank() -> None:
    first, second, third, fourth = architectures()[:4]
    benchmark = Benchmark("toy", {first: 0.8, second: 0.9, third: 0.8, fourth: 0.7})
    found = {name: benchmark.find(parse_architecture_string(name)) for name in (first, second, third, fourth)}
    assert [standing.rank for standing in found.values() if standing] == [2, 1, 2, 4]
    assert [standing.regret for standing in found.values() if standing] == pytest.approx([0.1, 0.0, 0.1, 0.2])
    assert found[fourth] is not None
    assert found[fourth].accuracy == 0.7
    assert benchmark.best == 0.9
    assert benchmark.all_skips is None
    assert benchmark.find(parse_architecture_string(ALL_SKIP)) is None


def test_the_shipped_table() -> None:
    benchmark = load_table("nasbench201")
    skip_free = {name: value for name, value in benchmark.accuracies.items() if "skip_connect" not in name}
    assert len(benchmark.accuracies) == 15_625
    assert len(skip_free) == 4_096
    assert benchmark.best == pytest.approx(0.94373, abs=5e-6)
    assert max(skip_free.values()) == pytest.approx(0.9398, abs=5e-5)
    assert benchmark.all_skips == benchmark.accuracies[ALL_SKIP] == pytest.approx(0.54297, abs=5e-6)
    best = max(benchmark.accuracies, key=benchmark.accuracies.__getitem__)
    assert benchmark.find(parse_architecture_string(best)) == Standing(benchmark.best, 0.0, 1)
    skips = benchmark.find(parse_architecture_string(ALL_SKIP))
    assert skips is not None
    assert skips.rank == 1 + sum(value > skips.accuracy for value in benchmark.accuracies.values())


@pytest.mark.skipif(not SOURCE.exists(), reason="the table's source is not here")
def test_the_shipped_table_is_its_source() -> None:
    source = read_table(SOURCE, "architecture", "cifar10_test_accuracy")
    shipped = load_table("nasbench201").accuracies
    assert shipped.keys() == source.keys()
    assert max(abs(shipped[name] - accuracy) for name, accuracy in source.items()) < 1e-12


def test_the_shipped_table_is_in_the_package() -> None:
    """A package's data files are installed only if pyproject.toml names them."""
    root = Path(aca_ray.__file__).parent.parent
    patterns = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    folder = root / "aca_ray" / "benchmark"
    installed = {path for pattern in patterns["aca_ray.benchmark"] for path in folder.glob(pattern)}
    assert {folder / "tables" / name for name in TABLES.values()} <= installed
    assert sum(path.stat().st_size for path in installed) < 130_000


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="nasbench201"):
        load_table("nasbench2001")


@pytest.mark.parametrize(
    ("names", "values", "problem"),
    [
        ([ALL_SKIP], [-0.5], r"row 1: c10 .*from 0 to 100, found -0\.5"),
        ([ALL_SKIP], [101.0], r"row 1: c10 .*found 101\.0"),
        ([ALL_SKIP], ["good"], r"row 1: c10 .*found 'good'"),
        ([ALL_SKIP], [True], r"row 1: c10 .*found True"),
        ([ALL_SKIP, "|skip~0|"], [1.0, 2.0], r"row 2: .*'skip'"),
        ([ALL_SKIP, ALL_SKIP], [1.0, 2.0], re.escape(ALL_SKIP) + ".*once"),
        ([], [], "at least one row"),
    ],
)
def test_bad_rows(tmp_path: Path, names: list[str], values: list[object], problem: str) -> None:
    path = write(tmp_path / "t.parquet", names, values)
    with pytest.raises(DataError, match=rf"t\.parquet: .*{problem}"):
        read_table(path, "arch", "c10")


def test_bad_files(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [ALL_SKIP], [50.0])
    with pytest.raises(DataError, match=r"t\.csv: .*column top1.*arch, c10"):
        read_table(path, "arch", "top1")
    with pytest.raises(DataError, match=r"absent\.csv: .*CSV or Parquet"):
        read_table(tmp_path / "absent.csv", "arch", "c10")
    (tmp_path / "broken.parquet").write_text("no table")
    with pytest.raises(DataError, match=r"broken\.parquet: .*CSV or Parquet"):
        read_table(tmp_path / "broken.parquet", "arch", "c10")
