"""The comparison as text for a terminal, at most 120 columns wide."""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.comparison import Comparison
from aca_ray.report import table
from aca_ray.report.findings import findings, pair_findings
from aca_ray.report.notes import notes_of
from aca_ray.report.panel import Panel
from aca_ray.report.panels import PANELS


def to_text(comparison: Comparison, panels: Sequence[Panel] = PANELS) -> str:
    """Return findings, the brief tables of all panels, and notes."""
    parts = [table.wrapped(sentence) for sentence in (*findings(comparison), *pair_findings(comparison))]
    tables = [table.to_text(one) for panel in panels for one in panel.brief(comparison)]
    parts += tables or ["No network has finished yet."]
    notes = [table.wrapped(note, "- ", "  ") for note in notes_of(comparison)]
    if notes:
        parts.append("\n".join(["Notes", *notes]))
    return "\n\n".join(parts) + "\n"
