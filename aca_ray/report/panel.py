"""A panel: one question of the report, with its tables, plots, texts and data files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from aca_ray.comparison import Comparison
from aca_ray.report.figures import Plot
from aca_ray.report.row_files import RowFile
from aca_ray.report.table import Table


def _nothing(comparison: Comparison) -> tuple[()]:
    return ()


@dataclass(frozen=True)
class Panel:
    """One question of the report; functions of a comparison give what it shows.

    Attributes:
        key: name in links.
        title: heading.
        reading: a sentence or two: what the panel shows and how to read it.
        missing: text of a panel with neither table nor plot; if empty, such a panel is left out, with its files.
        tables: tables of page and Markdown; their keys name the LaTeX files.
        plots: plots, shown above the tables.
        brief: tables for a terminal, at most 120 columns wide.
        files: data files behind the panel.
    """

    key: str
    title: str
    reading: str | Callable[[Comparison], str]
    missing: str
    tables: Callable[[Comparison], Iterable[Table]] = _nothing
    plots: Callable[[Comparison], Iterable[Plot]] = _nothing
    brief: Callable[[Comparison], Iterable[Table]] = _nothing
    files: Callable[[Comparison], Iterable[RowFile]] = _nothing


@dataclass(frozen=True)
class Section:
    """A panel of one comparison: heading, text, plots, tables and data files."""

    key: str
    title: str
    text: str
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]
    files: tuple[RowFile, ...]


def make_sections(comparison: Comparison, panels: Sequence[Panel]) -> tuple[Section, ...]:
    """Return the sections of a comparison, in the order of the panels.

    Raises:
        ValueError: two panels, plots, tables or files have the same name, so that one would overwrite the other.
    """
    sections = [section for panel in panels if (section := _section(comparison, panel)).text]
    for what, names in (
        ("panels", [section.key for section in sections]),
        ("plots", [plot.name for section in sections for plot in section.plots]),
        ("tables", [table.key for section in sections for table in section.tables]),
        ("files", [file.name for section in sections for file in section.files]),
    ):
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise ValueError(f"report: names of {what} must be distinct, found {', '.join(twice)} twice; rename one")
    return tuple(sections)


def _section(comparison: Comparison, panel: Panel) -> Section:
    plots, tables = tuple(panel.plots(comparison)), tuple(panel.tables(comparison))
    reading = panel.reading if isinstance(panel.reading, str) else panel.reading(comparison)
    shown = reading if plots or tables else panel.missing
    return Section(panel.key, panel.title, shown, plots, tables, tuple(panel.files(comparison)))
