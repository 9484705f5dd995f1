"""Data files of a report: rows as CSV and Parquet.

Accuracies and shares in data files are fractions; only tables for people show percent. In CSV, None is an empty field,
and numbers read back to the same bits.
"""

from __future__ import annotations

import csv
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from aca_ray.errors import ConfigError
from aca_ray.report.table import value_of
from aca_ray.storage import StoragePath
from aca_ray.storage.files import write_whole

_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


class FileColumn(NamedTuple):
    """A column: the type of its values (None is allowed besides), and their place in a row as for `value_of`."""

    kind: type
    of: str | Callable[[Any], Any]


class RowFile(NamedTuple):
    """A data file.

    Attributes:
        name: name of the file; its suffix, .csv or .parquet, is the format.
        content: its content in words.
        rows: the rows; may be empty.
        columns: the columns by name, or the dataclass of the rows, whose fields are the columns.
    """

    name: str
    content: str
    rows: Sequence[Any]
    columns: Mapping[str, FileColumn] | type[Any]


def file_columns(kind: type, names: Iterable[str], of: str = "") -> dict[str, FileColumn]:
    """Return columns of one type: attributes of a row, or of its part `of`."""
    return {name: FileColumn(kind, f"{of}.{name}" if of else name) for name in names}


def write_files(files: Iterable[RowFile], folder: StoragePath) -> list[StoragePath]:
    """Write data files into a folder, each atomically, and return their paths."""
    return [_write(file, folder / file.name) for file in files]


def _write(file: RowFile, path: StoragePath) -> StoragePath:
    columns = columns_of(file.columns) if isinstance(file.columns, type) else file.columns

    def write_csv(target: Path) -> None:
        with target.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([value_of(row, column.of) for column in columns.values()] for row in file.rows)

    def write_parquet(target: Path) -> None:
        pq.write_table(arrow_table(file.rows, columns), target)

    writers = {".csv": write_csv, ".parquet": write_parquet}
    if path.suffix not in writers:
        raise ConfigError(f"{path}: must end in .csv or .parquet, found {path.suffix!r}; rename it")
    return write_whole(path, writers[path.suffix])


def arrow_table(rows: Sequence[Any], columns: Mapping[str, FileColumn]) -> pa.Table:
    """Return rows as an Arrow table, the content of a Parquet file."""
    return pa.table(
        {
            name: pa.array([value_of(row, column.of) for row in rows], type=_ARROW_TYPES[column.kind])
            for name, column in columns.items()
        }
    )


def columns_of(row_type: type[Any]) -> dict[str, FileColumn]:
    """Return the fields of a dataclass as columns; they are of type str, int, float or bool, each optionally None."""
    hints = typing.get_type_hints(row_type)
    columns = {}
    for field in fields(row_type):
        hint = hints[field.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        (kind,) = (option for option in options if option is not types.NoneType)
        columns[field.name] = FileColumn(kind, field.name)
    return columns
