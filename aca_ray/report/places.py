"""Tables of rows from several places (space, data, setting, protocol): one per place, or with columns that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import attrgetter
from typing import Any

from aca_ray.comparison import Comparison, Place
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.settings import setting_labels
from aca_ray.report.formats import text
from aca_ray.report.table import Column, Table

# Keeps the page readable and small; the files have all rows.
MOST_ROWS = 200


def place_labels(comparison: Comparison) -> dict[Place, str]:
    """Return every place in words, with the parts of its setting that differ from those of other places."""
    places = dict.fromkeys(group.group.place for group in comparison.groups)
    settings = setting_labels(place.setting for place in places)
    return {place: ", ".join(filter(None, [place.label, settings[place.setting]])) for place in places}


def tables_by_place(
    comparison: Comparison, key: str, title: str, caption: str, columns: Sequence[Column], rows: Iterable[Any]
) -> tuple[Table, ...]:
    """Return one table for every place that has rows.

    Args:
        comparison: comparison with the places.
        key: key of the first table; the others get numbers.
        title: title, which the place in words follows.
        caption: what the tables show.
        columns: columns of the tables.
        rows: rows with a `group`, in the order of the groups.
    """
    labels = place_labels(comparison)
    return tuple(
        Table(key if number == 1 else f"{key}-{number}", f"{title}: {labels[place]}", caption, tuple(columns), own)
        for number, (place, own) in enumerate(grouped(rows, attrgetter("group.place")).items(), start=1)
    )


def table_of(
    rows: Sequence[Any],
    key: str,
    title: str,
    caption: str,
    columns: Sequence[Column],
    file: str,
    at: Callable[[Any], Any] = lambda row: row,
) -> tuple[Table, ...]:
    """Return a table of the first rows, with columns for what differs between their places; empty without rows.

    Args:
        rows: rows of the table.
        key: key of the table.
        title: title of the table.
        caption: what the table shows.
        columns: columns of the table.
        file: data file with all rows.
        at: function that returns the object with the fields of a row's place, as far as it has one.
    """
    more = "" if len(rows) <= MOST_ROWS else f"The first {MOST_ROWS} of {len(rows):,} rows; all are in {file}."
    shown = (*columns, *_place_columns(list(map(at, rows)), at))
    return (Table(key, title, caption, shown, rows[:MOST_ROWS], more),) if rows else ()


def _place_columns(places: Sequence[Any], at: Callable[[Any], Any]) -> Iterator[Column]:
    """Yield the columns of sweep, space, data, protocol and setting that differ between places."""
    for name in ("sweep", "space", "data", "protocol"):
        if len({getattr(place, name, None) for place in places}) > 1:
            yield text(name, _attribute(name, at))
    labels = setting_labels({place.setting for place in places if hasattr(place, "setting")})
    if len(labels) > 1:
        yield text("setting", lambda row: labels[at(row).setting])


def _attribute(name: str, at: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda row: getattr(at(row), name)
