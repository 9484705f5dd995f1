"""The comparison of one or several sweeps: searched, skip-free and allocated networks, baselines, costs, collapse.

Rows that differ in space, data, setting, protocol, method or epochs are never pooled.

Source: Lindauer & Hutter 2020 for what is reported.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aca_ray.comparison.arms import Group, group_of
from aca_ray.comparison.checklist import ChecklistItem, checklist_items
from aca_ray.comparison.collapse import CollapseRow, collapse_rows
from aca_ray.comparison.compatibility import check_comparable
from aca_ray.comparison.correlations import CorrelationRow, correlation_rows
from aca_ray.comparison.costs import CostRow, cost_rows
from aca_ray.comparison.groups import GroupComparison, compare_groups
from aca_ray.comparison.kept_shares import KeptShareRow, kept_share_rows
from aca_ray.comparison.kinds import Kind, Pair, kind_of
from aca_ray.comparison.notes import notes_of
from aca_ray.comparison.pairs import PairComparison, compare_pairs
from aca_ray.comparison.provenance import ProvenanceRow, provenance_rows
from aca_ray.comparison.ranker_agreement import RankerAgreementRow, ranker_agreement_rows
from aca_ray.comparison.refill import RefillRow, refill_rows
from aca_ray.comparison.rows import EvaluationRow, SweepRows
from aca_ray.comparison.stability import StabilityRow, stability_rows
from aca_ray.errors import ConfigError


@dataclass(frozen=True)
class Comparison:
    """The results of one or several sweeps.

    Attributes:
        pairs: pairs of rankers and rules, the main one first, which `allocated` means; see `GroupComparison.pair` for
            its meaning where the table of a benchmark has no networks of the main pair.
        groups: sorted by space, data, setting, protocol, method, epochs.
        notes: caveats, as plain sentences.
        pair_comparisons: pairs against each other, and each against its controls.
        kept_shares: share of the channels that operations keep, per pair and milestone.
        collapse: every epoch of every search.
        correlations: of supernet accuracy with retrained accuracy, per method.
        stability: of channel ranks from milestone to milestone.
        refill: share of the channels that skip connections refill, per stage and edge.
        ranker_agreement: between rankers of the same search; empty if no search was ranked by two.
        costs: per arm.
        provenance: origin of the numbers, per sweep.
        checklist: questions of a reviewer, answered where the sweeps have the answer.
    """

    pairs: tuple[Pair, ...]
    groups: tuple[GroupComparison, ...]
    notes: tuple[str, ...]
    pair_comparisons: tuple[PairComparison, ...] = ()
    kept_shares: tuple[KeptShareRow, ...] = ()
    collapse: tuple[CollapseRow, ...] = ()
    correlations: tuple[CorrelationRow, ...] = ()
    stability: tuple[StabilityRow, ...] = ()
    refill: tuple[RefillRow, ...] = ()
    ranker_agreement: tuple[RankerAgreementRow, ...] = ()
    costs: tuple[CostRow, ...] = ()
    provenance: tuple[ProvenanceRow, ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()

    @property
    def main_pair(self) -> Pair | None:
        """The pair that `allocated` means; None where no channels are allocated."""
        return self.pairs[0] if self.pairs else None


def compare(rows: SweepRows | Sequence[SweepRows], pairs: Sequence[Pair] = ()) -> Comparison:
    """Return the comparison of the networks of one or several sweeps.

    Args:
        rows: the rows of each sweep; an evaluation that two sweeps share (same fingerprint) counts once.
        pairs: requested pairs of rankers and rules, the main one first; other evaluated pairs follow them.

    Raises:
        ConfigError: sweeps have different evaluations for the same seeds, have nothing to compare, or used different
            images under the same data name and options.
    """
    sweeps = (rows,) if isinstance(rows, SweepRows) else tuple(rows)
    check_comparable(sweeps)
    evaluations = _distinct(row for sweep in sweeps for row in sweep.evaluations)
    all_pairs = tuple(dict.fromkeys([*pairs, *sorted(_evaluated_pairs(evaluations))]))
    by_group: dict[Group, dict[Kind, list[EvaluationRow]]] = defaultdict(lambda: defaultdict(list))
    for row in evaluations:
        by_group[group_of(row)][kind_of(row)].append(row)
    groups = compare_groups(by_group, all_pairs)
    costs = cost_rows(groups)
    return Comparison(
        pairs=all_pairs,
        groups=groups,
        notes=notes_of(groups, sweeps),
        pair_comparisons=compare_pairs(by_group, all_pairs),
        kept_shares=kept_share_rows((row for sweep in sweeps for row in sweep.allocations), all_pairs),
        collapse=collapse_rows(row for sweep in sweeps for row in sweep.curves),
        correlations=correlation_rows(evaluations, {group.group: group.pair for group in groups}),
        stability=stability_rows(row for sweep in sweeps for row in sweep.allocations),
        refill=refill_rows(row for sweep in sweeps for row in sweep.edges),
        ranker_agreement=ranker_agreement_rows(score for sweep in sweeps for score in sweep.scores),
        costs=costs,
        provenance=provenance_rows(sweeps),
        checklist=checklist_items(groups, costs, sweeps),
    )


def _evaluated_pairs(rows: Iterable[EvaluationRow]) -> set[Pair]:
    return {pair for row in rows if (pair := kind_of(row).pair) is not None}


def _distinct(rows: Iterable[EvaluationRow]) -> list[EvaluationRow]:
    """Return every evaluation once, or raise ConfigError if two have the same group, kind and seeds."""
    by_fingerprint = {row.evaluation: row for row in rows}
    by_place: dict[tuple[Any, ...], EvaluationRow] = {}
    problems = []
    for row in by_fingerprint.values():
        place = (group_of(row), kind_of(row), row.seed, row.retrain_seed)
        other = by_place.setdefault(place, row)
        if other is not row:
            problems.append(
                f"{group_of(row).label}: seed {row.seed}, retraining seed {row.retrain_seed} must be one evaluation, "
                f"found {other.evaluation[:12]} in sweep {other.sweep} and {row.evaluation[:12]} in sweep {row.sweep}; "
                "their settings differ: compare the sweeps one by one"
            )
    if problems:
        raise ConfigError(problems)
    return list(by_place.values())
