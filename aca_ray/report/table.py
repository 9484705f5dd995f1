"""A table for people, rendered as text, Markdown or LaTeX; the page template renders it as HTML."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from aca_ray.columns import in_columns

WIDTH = 120
MISSING = "-"
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"${character}$" for character in "<>|"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "±": r"$\pm$",
    }
)


class Cell(NamedTuple):
    """The text of a cell, and its value for sorting; None sorts last."""

    text: str
    value: float | None = None


def value_of(row: Any, of: str | Callable[[Any], Any]) -> Any:
    """Return a value of a row.

    Args:
        row: the row.
        of: function of the row, or dotted names of attributes, such as `difference.mean`: None if any of them is None.
    """
    if callable(of):
        return of(row)
    for name in of.split("."):
        row = None if row is None else getattr(row, name)
    return row


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        name: heading.
        kind: `number` is right-aligned and sorts by value, `text` is short and never wraps, `prose` wraps.
        show: function that makes a cell of a value.
        of: place of the value in a row, as for `value_of`.
    """

    name: str
    kind: Literal["number", "text", "prose"]
    show: Callable[[Any], Cell]
    of: str | Callable[[Any], Any]

    def cell(self, row: Any) -> Cell:
        """Return the cell of a row."""
        return self.show(value_of(row, self.of))


@dataclass(frozen=True)
class Table:
    """A table for people.

    Attributes:
        key: name in files and links: letters, digits, hyphens.
        title: heading.
        caption: a sentence or two: what the table shows and how to read it.
        columns: the columns; the first one names the row.
        rows: one object per row, from which the columns take their values; may be empty.
        more: number of omitted rows and the file that has them; empty if there are none.
    """

    key: str
    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: Sequence[Any]
    more: str = ""

    @cached_property
    def cells(self) -> tuple[tuple[Cell, ...], ...]:
        """One cell per row and column."""
        return tuple(tuple(column.cell(row) for column in self.columns) for row in self.rows)

    @property
    def texts(self) -> list[tuple[str, ...]]:
        """The header and the rows as texts."""
        return [
            tuple(column.name for column in self.columns),
            *(tuple(cell.text for cell in cells) for cells in self.cells),
        ]


def to_text(table: Table) -> str:
    """Return the title and the table as fixed-width text."""
    numbers = [index for index, column in enumerate(table.columns) if column.kind == "number"]
    widths = [max(map(len, column)) for column in zip(*table.texts, strict=True)]
    header, *rows = in_columns(table.texts, right=numbers)
    return "\n".join([wrapped(table.title), header, "-" * (sum(widths) + 2 * (len(widths) - 1)), *rows])


def to_markdown(table: Table) -> str:
    """Return the title as a level-3 heading, the caption, and the table."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    header, *rows = table.texts
    marks = ["---:" if column.kind == "number" else "---" for column in table.columns]
    body = "\n".join([line(header), line(marks), *map(line, rows)])
    return "\n\n".join(filter(None, [f"### {table.title}", table.caption, body, table.more]))


def to_latex(table: Table) -> str:
    r"""Return a tabular (package booktabs) for \input into a table environment; title and caption are comments."""
    kinds = {"number": "r", "text": "l", "prose": r"p{0.3\linewidth}"}
    header, *rows = (" & ".join(map(escape_latex, row)) + r" \\" for row in table.texts)
    comments = [f"% {line}" for text in (table.title, table.caption, table.more) for line in text.splitlines()]
    return "\n".join(
        [
            *comments,
            rf"\begin{{tabular}}{{{''.join(kinds[column.kind] for column in table.columns)}}}",
            r"\toprule",
            header,
            r"\midrule",
            *rows,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )


def escape_latex(text: str) -> str:
    """Return text with LaTeX escapes; a leading [ or * is braced, or it would be an argument of the preceding \\\\."""
    escaped = text.translate(_LATEX)
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped[:1] in {"[", "*"} else escaped


def key_of(text: str) -> str:
    """Return a text as a key for files and links."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def wrapped(text: str, first: str = "", rest: str = "  ") -> str:
    """Return a text wrapped to lines of at most 120 characters."""
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
