"""The report: one self-contained page, and the files next to it."""

from __future__ import annotations

import base64
from collections.abc import Sequence

from aca_ray.comparison import Comparison
from aca_ray.report.drawings import NetworkOf, make_drawings
from aca_ray.report.markdown import report_markdown
from aca_ray.report.notes import notes_of
from aca_ray.report.panel import Panel, make_sections
from aca_ray.report.panels import PANELS
from aca_ray.report.row_files import write_files
from aca_ray.report.running import PLACE
from aca_ray.report.summary import summary
from aca_ray.report.table import to_latex
from aca_ray.report.template import render
from aca_ray.storage import StoragePath, write_bytes

_MOST_EMBEDDED_BYTES = 100_000


def write_report(
    comparison: Comparison,
    folder: StoragePath,
    title: str,
    network_of: NetworkOf,
    panels: Sequence[Panel] = PANELS,
    *,
    running: bool = False,
) -> list[StoragePath]:
    """Write report.html and the files that belong to it, each atomically, and return the paths.

    Args:
        comparison: comparison to report.
        folder: folder of the files: report.html, report.md, rows as CSV and Parquet, plots as SVG, tables as LaTeX.
        title: title of the page.
        network_of: function that returns the genotype and plan of a network, to draw them.
        panels: what the report shows, in order.
        running: whether the sweep runs; then the page has a place for its progress (see `running.py`).
    """
    sections = make_sections(comparison, panels)
    sentences, notes = summary(comparison), notes_of(comparison)
    files = [file for section in sections for file in section.files]
    paths = write_files(files, folder)
    paths += [write_bytes(folder / f"{plot.name}.svg", plot.svg) for section in sections for plot in section.plots]
    paths += [
        write_bytes(folder / "tables" / f"{table.key}.tex", to_latex(table).encode())
        for section in sections
        for table in section.tables
    ]
    markdown = report_markdown(title, sentences, sections, notes)
    paths.append(write_bytes(folder / "report.md", markdown.encode()))
    page = render(
        "page.html.jinja",
        title=title,
        summary=sentences,
        sections=sections,
        drawings=make_drawings(comparison, network_of),
        notes=notes,
        files=[
            ("report.md", "this report as Markdown", "report.md"),
            *((file.name, file.content, _address(folder / file.name)) for file in files),
        ],
        data_address=_data_address,
        progress=PLACE if running else "",
    )
    return [*paths, write_bytes(folder / "report.html", page.encode())]


def _address(path: StoragePath) -> str:
    """Return a data URL with the content of a small CSV file, or the name of another file."""
    if path.suffix == ".csv" and len(content := path.read_bytes()) <= _MOST_EMBEDDED_BYTES:
        return _data_address(content, "text/csv")
    return path.name


def _data_address(content: bytes, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
