"""Looking test accuracies up in the table of a benchmark instead of training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aca_ray.errors import ConfigError, DataError
from aca_ray.space.genotype import Genotype
from aca_ray.space.nasbench201 import architecture_string, parse_architecture_string

PERCENT = 100.0

# Tables that the program carries, by name.
TABLES = frozenset({"nasbench201"})
COVERED_SPACE = "nasbench201"


def read_table(path: Path, architecture: str, accuracy: str) -> dict[str, float]:
    """Return the test accuracies, in [0, 1], of a benchmark's table by architecture string.

    Args:
        path: a CSV (with a header) or Parquet file, one row per architecture.
        architecture: name of the column with architecture strings.
        accuracy: name of the column with accuracies; percent if any is above 1, else fractions.

    Raises:
        DataError: the file can't be read, lacks a column, repeats an architecture, or holds anything but architecture
            strings and accuracies.
    """
    import pyarrow
    from pyarrow import csv, parquet

    columns = [architecture, accuracy]
    try:
        table = parquet.read_table(path) if path.suffix == ".parquet" else csv.read_csv(path)
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: needs a CSV or Parquet file with the table of a benchmark ({error})") from error
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise DataError(f"{path}: has no column {', '.join(missing)}; its columns are {', '.join(table.column_names)}")
    names, values = (table.column(name).to_pylist() for name in columns)
    if not names:
        raise DataError(f"{path}: holds no rows; at least one architecture is needed")
    for row, (name, value) in enumerate(zip(names, values, strict=True), start=1):
        if not isinstance(value, int | float) or not 0.0 <= value <= PERCENT:
            raise DataError(f"{path}: row {row}: {accuracy} must be an accuracy from 0 to 100, found {value!r}")
        try:
            parse_architecture_string(str(name))
        except ConfigError as error:
            raise DataError(f"{path}: row {row}: {error}") from error
    if len(set(names)) != len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: lists {twice} more than once; keep one row for every architecture")
    unit = PERCENT if max(values) > 1.0 else 1.0
    return {name: value / unit for name, value in zip(names, values, strict=True)}


class LookedUp:
    """The evaluation of a genotype whose test accuracy is known: one epoch without a step.

    Args:
        genotype: of a space that the benchmark covers.
        table: test accuracies by architecture string.
        place: the table's name, for messages.

    Raises:
        DataError: the table lacks the architecture.

    Source: Dong & Yang 2020 (NAS-Bench-201): what a search finds is looked up.
    """

    device = torch.device("cpu")
    images_per_epoch = 0

    def __init__(self, genotype: Genotype, table: Mapping[str, float], place: str) -> None:
        name = architecture_string(genotype)
        if name not in table:
            raise DataError(f"{place}: lacks {name}, which a search has found; give the benchmark's whole table")
        self.accuracy = table[name]

    def begin_epoch(self, epoch: int) -> None:
        """Do nothing."""

    def is_over(self, epoch: int, step: int) -> bool:
        """Return True: there is nothing to train."""
        return True

    def step(self, epoch: int, index: int) -> None:
        """Do nothing."""

    def end_epoch(self, epoch: int) -> dict[str, float]:
        """Return the accuracy that the table holds."""
        return {"test/accuracy": self.accuracy}

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: nothing changes."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Do nothing."""
