"""Places of table rows: space, data, protocol, and the differing parts of the setting."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

from aca_ray.comparison import setting_parts
from aca_ray.report.formats import words
from aca_ray.report.table import Cell, Column, Table

# Keeps the page readable and small; the files have all rows.
MOST_ROWS = 200

Row = TypeVar("Row")


def setting_labels(settings: Iterable[str]) -> dict[str, str]:
    """Return, per setting (canonical JSON), the parts that differ from the others; empty if there is only one."""
    flat = {setting: setting_parts(setting) for setting in settings}
    keys = sorted({key for values in flat.values() for key in values})
    differing = [key for key in keys if len({repr(values.get(key)) for values in flat.values()}) > 1]
    return {
        setting: ", ".join(f"{key} {values[key]}" for key in differing if values.get(key) is not None)
        for setting, values in flat.items()
    }


def place_columns(rows: Sequence[Any]) -> tuple[tuple[Column, ...], Callable[[Any], tuple[Cell, ...]]]:
    """Return the columns of sweep, space, data, protocol and setting that differ between rows, and their cells."""
    names = [
        name for name in ("sweep", "space", "data", "protocol") if len({getattr(row, name, None) for row in rows}) > 1
    ]
    labels = setting_labels({row.setting for row in rows if hasattr(row, "setting")})
    has_settings = len(labels) > 1

    def cells(row: Any) -> tuple[Cell, ...]:
        found = [words(getattr(row, name)) for name in names]
        return tuple([*found, words(labels[row.setting])] if has_settings else found)

    shown = [*names, "setting"] if has_settings else names
    return tuple(Column(name, "text") for name in shown), cells


def table_of(
    rows: Sequence[Row],
    key: str,
    title: str,
    caption: str,
    columns: tuple[Column, ...],
    cells: Callable[[Row], tuple[Cell, ...]],
    file: str,
) -> tuple[Table, ...]:
    """Return a table of the first rows, with columns for differences between their places; empty without rows."""
    if not rows:
        return ()
    places, place_cells = place_columns(rows)
    shown = tuple((*cells(row), *place_cells(row)) for row in rows[:MOST_ROWS])
    more = "" if len(rows) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(rows):,} rows; all are in {file}."
    return (Table(key, title, caption, columns + places, shown, more),)
