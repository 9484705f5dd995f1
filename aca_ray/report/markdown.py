"""The report as Markdown: the sections of the page, with plots as links to their files."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.report.panel import Section
from aca_ray.report.table import to_markdown


def report_markdown(title: str, summary: Sequence[str], sections: Sequence[Section], notes: Sequence[str]) -> str:
    """Return title, summary, sections and notes as Markdown."""
    parts = [f"# {title}", _listed(summary)]
    for section in sections:
        parts += [f"## {section.title}", section.text]
        parts += [f"![{plot.title}. {plot.caption}]({plot.name}.svg)" for plot in section.plots]
        parts += [to_markdown(table) for table in section.tables]
    if notes:
        parts += ["## Notes", _listed(notes)]
    return "\n\n".join(parts) + "\n"


def _listed(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
