"""What one or several sweeps have found: searched against allocated, baselines, costs, and what tells of collapse.

Rows that differ in space, data, setting, protocol, method or epochs are never pooled.

Source: ours; what is reported follows Lindauer & Hutter 2020.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from aca_ray.comparison.arms import Group, Rule, group_of, rule_of
from aca_ray.comparison.checklist import ChecklistItem, checklist_items
from aca_ray.comparison.collapse import CollapseRow, collapse_rows
from aca_ray.comparison.compatibility import check_comparable
from aca_ray.comparison.correlations import CorrelationRow, correlation_rows
from aca_ray.comparison.costs import CostRow, cost_rows
from aca_ray.comparison.groups import GroupComparison, compare_groups
from aca_ray.comparison.notes import notes_of
from aca_ray.comparison.provenance import ProvenanceRow, provenance_rows
from aca_ray.comparison.ranker_agreement import RankerAgreementRow, ranker_agreement_rows
from aca_ray.comparison.refill import RefillRow, refill_rows
from aca_ray.comparison.rows import EvaluationRow, SweepRows
from aca_ray.comparison.stability import StabilityRow, stability_rows
from aca_ray.errors import ConfigError


@dataclass(frozen=True)
class Comparison:
    """What one or several sweeps have found.

    Attributes:
        main_rule: the rule that `allocated` means; None when nothing was evaluated with the main allocation.
        main_allocation: its allocation, as asked for.
        groups: sorted by space, data, setting, protocol, method, epochs.
        notes: what a reader must know before believing the numbers, in plain sentences.
        collapse: every epoch of every search.
        correlations: of supernet with retrained accuracy, per method.
        stability: of channel ranks from milestone to milestone.
        refill: where skips refill channels, per stage and edge.
        ranker_agreement: between rankers of the same search; empty where no search was ranked by two.
        costs: per arm.
        provenance: where the numbers come from, per sweep.
        checklist: what a reviewer asks, as far as the sweeps can answer.
    """

    main_rule: Rule | None
    main_allocation: str
    groups: tuple[GroupComparison, ...]
    notes: tuple[str, ...]
    collapse: tuple[CollapseRow, ...] = ()
    correlations: tuple[CorrelationRow, ...] = ()
    stability: tuple[StabilityRow, ...] = ()
    refill: tuple[RefillRow, ...] = ()
    ranker_agreement: tuple[RankerAgreementRow, ...] = ()
    costs: tuple[CostRow, ...] = ()
    provenance: tuple[ProvenanceRow, ...] = ()
    checklist: tuple[ChecklistItem, ...] = ()


def compare(rows: SweepRows | Sequence[SweepRows], main_allocation: str, main_ranking: str | None = None) -> Comparison:
    """Return the comparison of searched and allocated networks over one or several sweeps.

    Args:
        rows: the rows of each sweep; an evaluation that two sweeps share (same fingerprint) counts once.
        main_allocation: the allocation rule that `allocated` stands for; every other rule is a control.
        main_ranking: its ranker; None when only one ranker was evaluated with the main allocation.

    Raises:
        ConfigError: several rankers were evaluated with the main allocation and none is named; two sweeps hold
            different evaluations of what should be the same one, or have nothing that can be compared; data of one name
            and options differ.

    Source: ours.
    """
    sweeps = (rows,) if isinstance(rows, SweepRows) else tuple(rows)
    check_comparable(sweeps)
    evaluations = _distinct(row for sweep in sweeps for row in sweep.evaluations)
    main_rule = _main_rule(evaluations, main_allocation, main_ranking)
    by_group: dict[Group, dict[Rule | None, list[EvaluationRow]]] = defaultdict(lambda: defaultdict(list))
    for row in evaluations:
        by_group[group_of(row)][rule_of(row)].append(row)
    groups = compare_groups(by_group, main_rule)
    costs = cost_rows(groups)
    return Comparison(
        main_rule=main_rule,
        main_allocation=main_allocation,
        groups=groups,
        notes=notes_of(groups, sweeps),
        collapse=collapse_rows(row for sweep in sweeps for row in sweep.curves),
        correlations=correlation_rows(evaluations, main_rule),
        stability=stability_rows(row for sweep in sweeps for row in sweep.allocations),
        refill=refill_rows(row for sweep in sweeps for row in sweep.edges),
        ranker_agreement=ranker_agreement_rows(score for sweep in sweeps for score in sweep.scores),
        costs=costs,
        provenance=provenance_rows(sweeps),
        checklist=checklist_items(groups, costs, sweeps),
    )


def _distinct(rows: Iterable[EvaluationRow]) -> list[EvaluationRow]:
    """Return every evaluation once, or raise ConfigError if two claim the same seeds."""
    by_fingerprint = {row.evaluation: row for row in rows}
    by_place: dict[tuple[Any, ...], EvaluationRow] = {}
    problems = []
    for row in by_fingerprint.values():
        place = (group_of(row), rule_of(row), row.seed, row.retrain_seed)
        other = by_place.setdefault(place, row)
        if other is not row:
            problems.append(
                f"{group_of(row).label}: seed {row.seed}, retraining seed {row.retrain_seed} must be one evaluation, "
                f"found {other.evaluation[:12]} in sweep {other.sweep} and {row.evaluation[:12]} in sweep {row.sweep}; "
                "their settings differ, so compare the sweeps one by one"
            )
    if problems:
        raise ConfigError(problems)
    return list(by_place.values())


def _main_rule(rows: Sequence[EvaluationRow], allocation: str, ranking: str | None) -> Rule | None:
    rules = {rule for row in rows if (rule := rule_of(row)) is not None and rule.allocation == allocation}
    if ranking is not None:
        rules &= {Rule(ranking, allocation)}
    if len(rules) > 1:
        raise ConfigError(
            f"main_ranking: must be named where several rankers were evaluated with {allocation!r}, found "
            f"{', '.join(sorted(rule.ranking for rule in rules))}; the others become controls"
        )
    return next(iter(rules), None)
