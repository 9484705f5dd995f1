"""Test accuracies from the table of a benchmark, instead of training."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np

from aca_ray.errors import ConfigError, DataError, unknown_name
from aca_ray.space.candidates import SKIP
from aca_ray.space.genotype import Genotype
from aca_ray.space.nasbench201 import (
    all_architecture_strings,
    architecture_string,
    parse_architecture_string,
    uniform_architecture_string,
)

PERCENT = 100.0

# Tables shipped with the package: integers in units of 1/60,000, in the order of the space's architecture strings.
TABLES = {"nasbench201": "nasbench201_cifar10.npy"}
_FOLDER = Path(__file__).parent / "tables"
_UNIT = 60_000


class Standing(NamedTuple):
    """Accuracy and rank of an architecture in a table.

    Attributes:
        accuracy: test accuracy, in [0, 1].
        regret: accuracy of the table's best architecture minus `accuracy`.
        rank: 1 + the number of architectures with a higher accuracy; equal ones share the better rank.
    """

    accuracy: float
    regret: float
    rank: int


@dataclass(frozen=True)
class Benchmark:
    """The table of a benchmark.

    Attributes:
        name: name of the table or its file, for messages.
        accuracies: test accuracies, in [0, 1], by architecture string; at least one.
    """

    name: str
    accuracies: Mapping[str, float]

    @cached_property
    def _descending(self) -> list[float]:
        return sorted(-accuracy for accuracy in self.accuracies.values())

    @property
    def best(self) -> float:
        """Highest accuracy of the table."""
        return -self._descending[0]

    @property
    def all_skips(self) -> float | None:
        """Accuracy of the cell of six skip connections, the result of a collapse; None if the table lacks it."""
        return self.accuracies.get(uniform_architecture_string(SKIP))

    def find(self, genotype: Genotype) -> Standing | None:
        """Return the standing of a genotype, or None if the table lacks it.

        Raises:
            ConfigError: the genotype is not of the benchmark's space.

        Source: Dong & Yang 2020 (NAS-Bench-201).
        """
        accuracy = self.accuracies.get(architecture_string(genotype))
        if accuracy is None:
            return None
        return Standing(accuracy, self.best - accuracy, 1 + bisect_left(self._descending, -accuracy))


def load_table(name: str) -> Benchmark:
    """Return a table shipped with the package; raise ConfigError for an unknown name."""
    if name not in TABLES:
        raise ConfigError(unknown_name("table", "table", name, TABLES))
    accuracies = np.load(_FOLDER / TABLES[name], allow_pickle=False) / _UNIT
    return Benchmark(name, dict(zip(all_architecture_strings(), accuracies.tolist(), strict=True)))


def read_table(path: Path, architecture: str, accuracy: str) -> dict[str, float]:
    """Return the test accuracies, in [0, 1], of a benchmark's table by architecture string.

    Args:
        path: a CSV (with a header) or Parquet file, one row per architecture.
        architecture: name of the column with architecture strings.
        accuracy: name of the column with accuracies; percent if any is above 1, else fractions.

    Raises:
        DataError: the file can't be read, lacks a column, repeats an architecture, or contains a value that is not an
            architecture string or an accuracy.
    """
    import pyarrow
    from pyarrow import csv, parquet

    columns = [architecture, accuracy]
    try:
        table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: needs a CSV or Parquet file with a benchmark's table ({error})") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(missing)}; its columns are {', '.join(table.column_names)}")
    names, values = (table.column(name).to_pylist() for name in columns)
    if not names:
        raise DataError(f"{path}: needs at least one row, found none")
    for row, (name, value) in enumerate(zip(names, values, strict=True), start=1):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0.0 <= value <= PERCENT:
            raise DataError(f"{path}: row {row}: {accuracy} must be an accuracy from 0 to 100, found {value!r}")
        try:
            parse_architecture_string(str(name))
        except ConfigError as error:
            raise DataError(f"{path}: row {row}: {error}") from error
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: lists {twice} more than once; keep one row per architecture")
    unit = PERCENT if max(values) > 1.0 else 1.0
    return {name: value / unit for name, value in zip(names, values, strict=True)}
