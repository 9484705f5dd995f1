"""Accuracies that a benchmark knows."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow
import pytest
from pyarrow import csv, parquet

from aca_ray.errors import DataError
from aca_ray.evaluation import LookedUp, read_table
from aca_ray.space.nasbench201 import parse_architecture_string
from aca_ray.training import EpochLoop

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


def test_a_genotype_is_looked_up(tmp_path: Path) -> None:
    table = read_table(write(tmp_path / "t.csv", [ALL_SKIP, architectures()[0]], [54.3, 80.0]), "arch", "c10")
    loop = EpochLoop(LookedUp(parse_architecture_string(ALL_SKIP), table, "t.csv"), 1)
    report = loop.advance()
    assert report is not None
    assert report.metrics["test/accuracy"] == pytest.approx(0.543)
    assert loop.finished
    with pytest.raises(DataError, match=r"^t\.csv: lacks \|none~0\|"):
        LookedUp(parse_architecture_string(ALL_SKIP.replace("skip_connect", "none")), table, "t.csv")


@pytest.mark.parametrize(
    ("names", "values", "problem"),
    [
        ([ALL_SKIP], [-0.5], "row 1: c10 must be an accuracy from 0 to 100, found -0.5"),
        ([ALL_SKIP], [101.0], "found 101.0"),
        ([ALL_SKIP], ["good"], "found 'good'"),
        ([ALL_SKIP, "|skip~0|"], [1.0, 2.0], "row 2: architecture string: unknown operation 'skip'"),
        ([ALL_SKIP, ALL_SKIP], [1.0, 2.0], "more than once"),
    ],
)
def test_bad_rows(tmp_path: Path, names: list[str], values: list[object], problem: str) -> None:
    path = write(tmp_path / "t.parquet", names, values)
    with pytest.raises(DataError) as caught:
        read_table(path, "arch", "c10")
    assert problem in str(caught.value)


def test_bad_files(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", [ALL_SKIP], [50.0])
    with pytest.raises(DataError, match="has no column top1; its columns are arch, c10"):
        read_table(path, "arch", "top1")
    with pytest.raises(DataError, match="needs a CSV or Parquet file"):
        read_table(tmp_path / "absent.csv", "arch", "c10")
    (tmp_path / "broken.parquet").write_text("no table")
    with pytest.raises(DataError, match="needs a CSV or Parquet file"):
        read_table(tmp_path / "broken.parquet", "arch", "c10")
