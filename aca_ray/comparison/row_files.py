"""Rows as CSV and Parquet files, and back: a frozen dataclass is a row, its fields are the columns.

In CSV, None is an empty field, and numbers read back to the same bits.
"""

from __future__ import annotations

import csv
import io
import types
import typing
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from aca_ray.errors import ConfigError
from aca_ray.storage import StoragePath
from aca_ray.storage.files import write_whole

Row = TypeVar("Row")
_ARROW_TYPES = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def write_rows(rows: Sequence[Row], row_type: type[Row], path: StoragePath) -> StoragePath:
    """Write rows to a .csv or .parquet file atomically, and return its path.

    Args:
        rows: rows; may be empty.
        row_type: dataclass of the rows, with fields of type str, int, float or bool, each optionally None.
        path: file; its suffix determines the format.
    """
    columns = _columns(row_type)

    def write_csv(file: Path) -> None:
        with file.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([getattr(row, name) for name in columns] for row in rows)

    def write_parquet(file: Path) -> None:
        arrays = {
            name: pa.array([getattr(row, name) for row in rows], type=_ARROW_TYPES[kind])
            for name, (kind, _) in columns.items()
        }
        pq.write_table(pa.table(arrays), file)

    writers = {".csv": write_csv, ".parquet": write_parquet}
    if path.suffix not in writers:
        raise ConfigError(f"{path}: must end in .csv or .parquet, found {path.suffix!r}; rename it")
    return write_whole(path, writers[path.suffix])


def read_rows(path: StoragePath, row_type: type[Row]) -> tuple[Row, ...]:
    """Return the rows of a file of `write_rows`, equal to the written ones, or raise ConfigError."""
    columns = _columns(row_type)
    records: list[dict[str, Any]]
    if path.suffix == ".parquet":
        records = pq.read_table(pa.BufferReader(path.read_bytes())).to_pylist()
    else:
        records = [
            {name: _parsed(text, columns[name]) for name, text in record.items() if name in columns}
            for record in csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8"), newline=""))
        ]
    try:
        return tuple(row_type(**record) for record in records)
    except TypeError as error:
        raise ConfigError(
            f"{path}: the columns must be {', '.join(columns)}; {error}; write the tables again with this version"
        ) from error


def _columns(row_type: type[Any]) -> dict[str, tuple[type, bool]]:
    """Return, per column, the type and whether it may be None."""
    hints = typing.get_type_hints(row_type)
    columns = {}
    for column in fields(row_type):
        hint = hints[column.name]
        options = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        (kind,) = (option for option in options if option is not types.NoneType)
        columns[column.name] = (kind, types.NoneType in options)
    return columns


def _parsed(text: str, column: tuple[type, bool]) -> Any:
    kind, may_be_none = column
    if text == "" and may_be_none:
        return None
    return text == "True" if kind is bool else kind(text)
