"""The comparison as text for a terminal, and as files for machines.

Accuracies and shares are fractions everywhere; only the tables for people show percent.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aca_ray.comparison import (
    AllocationRow,
    ChecklistItem,
    Comparison,
    ComparisonRow,
    CorrelationRow,
    CostRow,
    CurveRow,
    EdgeRow,
    EvaluationRow,
    ProvenanceRow,
    RankerAgreementRow,
    RefillRow,
    StabilityRow,
    SweepRows,
    TrialRow,
    comparison_rows,
    write_rows,
)
from aca_ray.report import table
from aca_ray.report.terminal_tables import terminal_tables
from aca_ray.storage import StoragePath


def to_text(comparison: Comparison) -> str:
    """Return the comparison as fixed-width text for a terminal, at most 120 columns wide."""
    parts = [table.to_text(one) for one in terminal_tables(comparison)] or ["No evaluation is finished yet."]
    if comparison.notes:
        parts.append("\n".join(["Notes", *(table.wrapped(note, "- ", "  ") for note in comparison.notes)]))
    return "\n\n".join(parts) + "\n"


def write_tables(comparison: Comparison, sweeps: Sequence[SweepRows], folder: StoragePath) -> list[StoragePath]:
    """Write all rows for machines into a folder, each file whole or not at all, and return their paths."""

    def of_all(name: str) -> list[Any]:
        return [row for sweep in sweeps for row in getattr(sweep, name)]

    compared, evaluations = comparison_rows(comparison), of_all("evaluations")
    files: dict[str, tuple[Sequence[Any], type[Any]]] = {
        "comparison.csv": (compared, ComparisonRow),
        "comparison.parquet": (compared, ComparisonRow),
        "evaluations.csv": (evaluations, EvaluationRow),
        "evaluations.parquet": (evaluations, EvaluationRow),
        "curves.parquet": (of_all("curves"), CurveRow),
        "allocations.csv": (of_all("allocations"), AllocationRow),
        "edges.parquet": (of_all("edges"), EdgeRow),
        "trials.parquet": (of_all("trials"), TrialRow),
        "correlations.csv": (comparison.correlations, CorrelationRow),
        "stability.csv": (comparison.stability, StabilityRow),
        "refill.csv": (comparison.refill, RefillRow),
        "ranker_agreement.csv": (comparison.ranker_agreement, RankerAgreementRow),
        "costs.csv": (comparison.costs, CostRow),
        "provenance.csv": (comparison.provenance, ProvenanceRow),
        "checklist.csv": (comparison.checklist, ChecklistItem),
    }
    return [write_rows(rows, row_type, folder / name) for name, (rows, row_type) in files.items()]
