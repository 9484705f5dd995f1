"""The comparison as text for a terminal, and as data files.

Accuracies and shares in data files are fractions; only tables for people show percent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

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
    KeptShareRow,
    LookUpArm,
    LookUpRow,
    PairRow,
    ProvenanceRow,
    RankerAgreementRow,
    RefillRow,
    StabilityRow,
    SweepRows,
    TrialRow,
    comparison_rows,
    look_up_arms,
    pair_rows,
    write_rows,
)
from aca_ray.report import table
from aca_ray.report.findings import findings, pair_findings
from aca_ray.report.terminal_tables import terminal_tables
from aca_ray.storage import StoragePath


def to_text(comparison: Comparison) -> str:
    """Return the comparison as fixed-width text for a terminal, at most 120 columns wide."""
    parts = [table.wrapped(sentence) for sentence in (*findings(comparison), *pair_findings(comparison))]
    parts += [table.to_text(one) for one in terminal_tables(comparison)] or ["No evaluation has finished yet."]
    if comparison.notes:
        parts.append("\n".join(["Notes", *(table.wrapped(note, "- ", "  ") for note in comparison.notes)]))
    return "\n\n".join(parts) + "\n"


class RowFile(NamedTuple):
    """A data file: its name, its content in words, its rows and their type."""

    name: str
    content: str
    rows: Sequence[Any]
    row_type: type[Any]


def row_files(comparison: Comparison, sweeps: Sequence[SweepRows]) -> tuple[RowFile, ...]:
    """Return all data files, in the order of the report."""

    def of_all(name: str) -> list[Any]:
        return [row for sweep in sweeps for row in getattr(sweep, name)]

    compared, evaluations = comparison_rows(comparison), of_all("evaluations")
    pairs = pair_rows(comparison.pair_comparisons)
    return (
        RowFile(
            "comparison.csv", "every method against every baseline: means, intervals, tests", compared, ComparisonRow
        ),
        RowFile("comparison.parquet", "the same as Parquet", compared, ComparisonRow),
        RowFile("pairs.csv", "every pair against its controls and other pairs", pairs, PairRow),
        RowFile("kept_shares.csv", "kept share per pair and milestone", comparison.kept_shares, KeptShareRow),
        RowFile("evaluations.csv", "every evaluated network", evaluations, EvaluationRow),
        RowFile("evaluations.parquet", "the same as Parquet", evaluations, EvaluationRow),
        *_look_up_files(sweeps),
        RowFile("curves.parquet", "every epoch of every search", of_all("curves"), CurveRow),
        RowFile("allocations.csv", "every allocation rule at every milestone", of_all("allocations"), AllocationRow),
        RowFile("edges.parquet", "kept share of every edge at every milestone", of_all("edges"), EdgeRow),
        RowFile("trials.parquet", "every trial: state, device, versions, resumptions", of_all("trials"), TrialRow),
        RowFile(
            "correlations.csv", "correlation of supernet and test accuracy", comparison.correlations, CorrelationRow
        ),
        RowFile("stability.csv", "agreement of channel ranks between milestones", comparison.stability, StabilityRow),
        RowFile("refill.csv", "refilled share per stage and edge, at every milestone", comparison.refill, RefillRow),
        RowFile(
            "ranker_agreement.csv",
            "agreement of channel ranks between rankers",
            comparison.ranker_agreement,
            RankerAgreementRow,
        ),
        RowFile("costs.csv", "cost of every arm", comparison.costs, CostRow),
        RowFile("provenance.csv", "provenance of the numbers", comparison.provenance, ProvenanceRow),
        RowFile("checklist.csv", "the checklist", comparison.checklist, ChecklistItem),
    )


def _look_up_files(sweeps: Sequence[SweepRows]) -> tuple[RowFile, ...]:
    """Return the files of look-ups in a benchmark; none without look-ups."""
    rows = [row for sweep in sweeps for row in sweep.look_ups]
    if not rows:
        return ()
    return (
        RowFile("look_ups.csv", "looked-up accuracy, regret and rank of every arm", look_up_arms(sweeps), LookUpArm),
        RowFile("look_up_curves.csv", "looked-up accuracy of the cell of every search epoch", rows, LookUpRow),
    )


def write_tables(files: Sequence[RowFile], folder: StoragePath) -> list[StoragePath]:
    """Write the data files into a folder, each atomically, and return their paths."""
    return [write_rows(file.rows, file.row_type, folder / file.name) for file in files]
