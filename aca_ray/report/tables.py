"""The comparison as tables for people: for a terminal and for Markdown.

Accuracies and shares are fractions everywhere; only the tables for people show percent.

Source: ours; the columns are those that a reviewer asks for.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from aca_ray.comparison.arms import ALLOCATED, SEARCHED, Arm
from aca_ray.comparison.checklist import ChecklistItem
from aca_ray.comparison.comparison import Comparison
from aca_ray.comparison.comparison_rows import ComparisonRow, comparison_rows
from aca_ray.comparison.correlations import CorrelationRow
from aca_ray.comparison.costs import CostRow
from aca_ray.comparison.groups import ControlComparison, GroupComparison
from aca_ray.comparison.provenance import ProvenanceRow
from aca_ray.comparison.ranker_agreement import RankerAgreementRow
from aca_ray.comparison.refill import RefillRow
from aca_ray.comparison.row_files import write_rows
from aca_ray.comparison.rows import AllocationRow, CurveRow, EdgeRow, EvaluationRow, SweepRows, TrialRow
from aca_ray.comparison.stability import StabilityRow
from aca_ray.comparison.statistics import PairedDifference
from aca_ray.storage import StoragePath, write_bytes

WIDTH = 120
_LONGEST_METHOD, _LONGEST_RULE = 24, 26
_MISSING = "-"


def to_text(comparison: Comparison) -> str:
    """Return the comparison as fixed-width text for a terminal, at most 120 columns wide."""
    parts = []
    for section in _sections(comparison):
        widths = [max(map(len, column)) for column in zip(section.header, *section.rows, strict=True)]

        def line(cells: Sequence[str], widths: Sequence[int] = widths, num_left: int = section.num_left) -> str:
            padded = (
                cell.ljust(width) if index < num_left else cell.rjust(width)
                for index, (cell, width) in enumerate(zip(cells, widths, strict=True))
            )
            return "  ".join(padded).rstrip()

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        parts.append("\n".join([_wrapped(section.title), line(section.header), rule, *map(line, section.rows)]))
    if not comparison.groups:
        parts.append("No evaluation is finished yet.")
    if comparison.notes:
        parts.append("\n".join(["Notes", *(_wrapped(note, "- ", "  ") for note in comparison.notes)]))
    return "\n\n".join(parts) + "\n"


def to_markdown(comparison: Comparison) -> str:
    """Return the comparison as Markdown: the same tables and notes as `to_text`."""

    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"

    parts = ["# Comparison"]
    for section in _sections(comparison):
        marks = ["---" if index < section.num_left else "---:" for index in range(len(section.header))]
        table = "\n".join([line(section.header), line(marks), *map(line, section.rows)])
        parts += [f"## {section.title}", table]
    if not comparison.groups:
        parts.append("No evaluation is finished yet.")
    if comparison.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in comparison.notes)]
    return "\n\n".join(parts) + "\n"


def write_tables(
    comparison: Comparison, rows: SweepRows | Sequence[SweepRows], folder: StoragePath
) -> list[StoragePath]:
    """Write all tables into a folder, each file whole or not at all, and return their paths."""
    sweeps = (rows,) if isinstance(rows, SweepRows) else tuple(rows)
    evaluations = [row for sweep in sweeps for row in sweep.evaluations]
    curves = [row for sweep in sweeps for row in sweep.curves]
    allocations = [row for sweep in sweeps for row in sweep.allocations]
    edges = [row for sweep in sweeps for row in sweep.edges]
    trials = [row for sweep in sweeps for row in sweep.trials]
    compared = comparison_rows(comparison)
    return [
        write_rows(compared, ComparisonRow, folder / "comparison.csv"),
        write_rows(compared, ComparisonRow, folder / "comparison.parquet"),
        write_bytes(folder / "comparison.md", to_markdown(comparison).encode()),
        write_rows(evaluations, EvaluationRow, folder / "evaluations.csv"),
        write_rows(evaluations, EvaluationRow, folder / "evaluations.parquet"),
        write_rows(curves, CurveRow, folder / "curves.parquet"),
        write_rows(allocations, AllocationRow, folder / "allocations.csv"),
        write_rows(edges, EdgeRow, folder / "edges.parquet"),
        write_rows(trials, TrialRow, folder / "trials.parquet"),
        write_rows(comparison.correlations, CorrelationRow, folder / "correlations.csv"),
        write_rows(comparison.stability, StabilityRow, folder / "stability.csv"),
        write_rows(comparison.refill, RefillRow, folder / "refill.csv"),
        write_rows(comparison.ranker_agreement, RankerAgreementRow, folder / "ranker_agreement.csv"),
        write_rows(comparison.costs, CostRow, folder / "costs.csv"),
        write_rows(comparison.provenance, ProvenanceRow, folder / "provenance.csv"),
        write_rows(comparison.checklist, ChecklistItem, folder / "checklist.csv"),
    ]


@dataclass(frozen=True)
class _Section:
    """One table for people; the first `num_left` columns are names and stand left."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    num_left: int


def _sections(comparison: Comparison) -> list[_Section]:
    sections = []
    several_settings = len({group.group.setting for group in comparison.groups}) > 1
    for (space, data, setting, protocol), members in groupby(comparison.groups, key=lambda group: group.group[:4]):
        groups = tuple(members)
        where = f"{space} on {data}, protocol {protocol}" + (f", {setting}" if several_settings else "")
        rule = f" (allocated: {comparison.main_rule.label})" if comparison.main_rule else ""
        sections += [
            _accuracy_section(f"Test accuracy of the final epoch in percent: {where}{rule}", groups),
            _size_section(f"Size and cost, means over seeds: {where}", groups),
        ]
        if any(group.controls for group in groups):
            sections.append(_control_section(f"Controls, test accuracy in percent: {where}", groups))
    return sections


def _accuracy_section(title: str, groups: Sequence[GroupComparison]) -> _Section:
    header = ("method", "epochs", "n", SEARCHED, ALLOCATED, "difference [95 %]", "p", "p Holm", "p Wilcoxon")
    rows = tuple(
        (
            *_name_cells(group),
            f"{_n(group.searched)}/{_n(group.allocated)}",
            _accuracy(group.searched),
            _accuracy(group.allocated),
            _difference(group.difference),
            _pvalue(group.difference.t_pvalue if group.difference else None),
            _pvalue(group.holm_pvalue),
            _pvalue(group.difference.wilcoxon_pvalue if group.difference else None),
        )
        for group in groups
    )
    return _Section(title, header, rows, num_left=1)


def _size_section(title: str, groups: Sequence[GroupComparison]) -> _Section:
    header = ("method", "epochs", "skip", "parameters", "MACs", "skips", "refilled %", "search s", "evaluation s")
    rows = tuple(
        (
            *_name_cells(group),
            name,
            _count(arm.parameters),
            _count(arm.macs),
            f"{arm.num_skips:.1f}",
            f"{100 * arm.refilled_share:.1f}",
            _seconds(arm.search_seconds),
            _seconds(arm.evaluation_seconds),
        )
        for group in groups
        for name, arm in ((SEARCHED, group.searched), (ALLOCATED, group.allocated))
        if arm is not None
    )
    return _Section(title, header, rows, num_left=1)


def _control_section(title: str, groups: Sequence[GroupComparison]) -> _Section:
    header = ("method", "epochs", "control", "n", "accuracy", "parameters", "main - control [95 %]", "p")

    def cells(group: GroupComparison, control: ControlComparison) -> tuple[str, ...]:
        difference = control.difference
        return (
            *_name_cells(group),
            _clipped(control.rule.label, _LONGEST_RULE),
            str(control.arm.test_accuracy.n),
            _accuracy(control.arm),
            _count(control.arm.parameters),
            _difference(difference),
            _pvalue(difference.t_pvalue if difference else None),
        )

    rows = tuple(cells(group, control) for group in groups for control in group.controls)
    return _Section(title, header, rows, num_left=1)


def _name_cells(group: GroupComparison) -> tuple[str, str]:
    return _clipped(group.group.method, _LONGEST_METHOD), str(group.group.epochs)


def _clipped(name: str, longest: int) -> str:
    return name if len(name) <= longest else f"{name[: longest - 2]}.."


def _n(arm: Arm | None) -> int:
    return arm.test_accuracy.n if arm else 0


def _accuracy(arm: Arm | None) -> str:
    if arm is None:
        return _MISSING
    accuracy = arm.test_accuracy
    return f"{100 * accuracy.mean:.2f}" + ("" if accuracy.sd is None else f" ± {100 * accuracy.sd:.2f}")


def _difference(difference: PairedDifference | None) -> str:
    if difference is None:
        return _MISSING
    mean = f"{100 * difference.mean:+.2f}"
    if difference.low is None or difference.high is None:
        return mean
    return f"{mean} [{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]"


def _pvalue(pvalue: float | None) -> str:
    if pvalue is None:
        return _MISSING
    return "< 0.001" if pvalue < 0.001 else f"{pvalue:.3f}"


def _count(value: float) -> str:
    """Return a count in the unit that leaves three or more significant digits."""
    for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:.2f} {unit}"
    return f"{value:.0f}"


def _seconds(value: float | None) -> str:
    return _MISSING if value is None else f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def _wrapped(text: str, first: str = "", rest: str = "  ") -> str:
    return textwrap.fill(text, WIDTH, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False)
