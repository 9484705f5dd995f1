"""Rows by common fields.

Plain dictionaries instead of pandas: means are exact sums (`fmean`), None stays None, and rows keep their types.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from itertools import chain
from operator import attrgetter
from typing import Any, TypeVar

Row = TypeVar("Row")
Key = TypeVar("Key")


def grouped(rows: Iterable[Row], key: Callable[[Row], Key]) -> dict[Key, list[Row]]:
    """Return the rows of every key, in the order in which they come."""
    found: dict[Key, list[Row]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found


def distinct(rows: Iterable[Row], key: Callable[[Row], Any]) -> list[Row]:
    """Return the first row of every key: two sweeps may share a search."""
    found: dict[Any, Row] = {}
    for row in rows:
        found.setdefault(key(row), row)
    return list(found.values())


def keys_of(row_type: type[Any]) -> Callable[[Any], tuple[Any, ...]]:
    """Return a function that returns the values of the fields before `n` of a dataclass of means."""
    names = [field.name for field in fields(row_type)]
    return attrgetter(*names[: names.index("n")])


def mean_row(row_type: Callable[..., Row], key: tuple[Any, ...], n: int, *means: Iterable[float | None]) -> Row:
    """Return a row of means: its key, n, and every mean with the two ends of its interval."""
    return row_type(*key, n, *chain.from_iterable(means))
