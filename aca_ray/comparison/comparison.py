"""Searched against allocated: which rows are compared with which, and what is said about them.

Two levels of repetition are kept apart: the retrainings of one search are averaged first, so that n is always a number
of search seeds. Rows that differ in space, data, setting, protocol, method or epochs are never pooled.

Source: ours; which quantities are reported follows Lindauer & Hutter 2020.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from aca_ray.comparison.rows import EvaluationRow, FailedTrial, SweepRows
from aca_ray.comparison.statistics import (
    MIN_WILCOXON_PAIRS,
    PairedDifference,
    Summary,
    holm,
    paired,
    summarize,
)
from aca_ray.errors import ConfigError

SEARCHED, ALLOCATED = "searched", "allocated"


class Group(NamedTuple):
    """What all rows of one comparison share; ordered so that sorting gives the order of the tables."""

    space: str
    data: str
    setting: str
    protocol: str
    method: str
    epochs: int

    @property
    def label(self) -> str:
        """The group in words."""
        return f"{self.method}, {self.space} on {self.data}, protocol {self.protocol}, {self.epochs} search epochs"


class Rule(NamedTuple):
    """How channels were allocated: the ranker and the rule."""

    ranking: str
    allocation: str

    @property
    def label(self) -> str:
        """The rule in words."""
        return f"{self.allocation} of {self.ranking}"


@dataclass(frozen=True)
class SeedMean:
    """The mean over the retrainings of one search seed.

    Attributes:
        seed: the search seed.
        num_retrainings: how many retrainings were averaged.
        test_accuracy: of the final epoch, in [0, 1].
        best_test_accuracy: of the best epoch, in [0, 1].
        search_seconds: None where unknown.
    """

    seed: int
    num_retrainings: int
    test_accuracy: float
    best_test_accuracy: float
    parameters: float
    macs: float
    num_skips: float
    num_parametric: float
    refilled_share: float
    search_seconds: float | None
    evaluation_seconds: float


@dataclass(frozen=True)
class Arm:
    """One side of a comparison, over seeds.

    Attributes:
        seeds: one entry per search seed, ascending.
        test_accuracy: of the final epoch, over seeds.
        best_test_accuracy: of the best epoch, over seeds.
        retraining_sd: deviation between retrainings of one search, pooled over seeds; None if none is repeated.
        parameters: mean over seeds, as all below.
        search_seconds: None where it is unknown for every seed.
    """

    seeds: tuple[SeedMean, ...]
    test_accuracy: Summary
    best_test_accuracy: Summary
    retraining_sd: float | None
    parameters: float
    macs: float
    num_skips: float
    num_parametric: float
    refilled_share: float
    search_seconds: float | None
    evaluation_seconds: float

    @property
    def num_evaluations(self) -> int:
        """Number of retrained networks behind the arm."""
        return sum(seed.num_retrainings for seed in self.seeds)


@dataclass(frozen=True)
class ControlComparison:
    """The main rule against another one.

    Attributes:
        rule: the control.
        arm: its networks.
        difference: main - control in test accuracy, paired by seed; None when they share no seed.
    """

    rule: Rule
    arm: Arm
    difference: PairedDifference | None


@dataclass(frozen=True)
class GroupComparison:
    """Everything about one group.

    Attributes:
        searched: networks of the plain method; None when there are none.
        allocated: networks of the main rule; None when there are none.
        difference: allocated - searched in test accuracy, paired by seed; None when they share no seed.
        holm_pvalue: the difference's t-test p-value, adjusted for the number of groups in the comparison.
        controls: every other rule.
    """

    group: Group
    searched: Arm | None
    allocated: Arm | None
    difference: PairedDifference | None
    holm_pvalue: float | None
    controls: tuple[ControlComparison, ...]


@dataclass(frozen=True)
class Comparison:
    """What one or several sweeps have found.

    Attributes:
        main_rule: the rule that `allocated` means; None when nothing was evaluated with the main allocation.
        main_allocation: its allocation, as asked for.
        groups: sorted by space, data, setting, protocol, method, epochs.
        notes: what a reader must know before believing the numbers, in plain sentences.
    """

    main_rule: Rule | None
    main_allocation: str
    groups: tuple[GroupComparison, ...]
    notes: tuple[str, ...]


def compare(rows: SweepRows | Sequence[SweepRows], main_allocation: str, main_ranking: str | None = None) -> Comparison:
    """Return the comparison of searched and allocated networks over one or several sweeps.

    Args:
        rows: the rows of each sweep; an evaluation that two sweeps share (same fingerprint) counts once.
        main_allocation: the allocation rule that `allocated` stands for; every other rule is a control.
        main_ranking: its ranker; None when only one ranker was evaluated with the main allocation.

    Raises:
        ConfigError: several rankers were evaluated with the main allocation and none is named, or two sweeps hold
            different evaluations of what should be the same one.

    Source: ours.
    """
    sweeps = (rows,) if isinstance(rows, SweepRows) else tuple(rows)
    evaluations = _distinct(row for sweep in sweeps for row in sweep.evaluations)
    main_rule = _main_rule(evaluations, main_allocation, main_ranking)
    by_group: dict[Group, dict[Rule | None, list[EvaluationRow]]] = defaultdict(lambda: defaultdict(list))
    for row in evaluations:
        by_group[_group(row)][_rule(row)].append(row)
    groups = _adjusted([_compare_group(group, by_group[group], main_rule) for group in sorted(by_group)])
    notes = [note for group in groups for note in _group_notes(group)]
    notes += _general_notes(groups, sweeps)
    return Comparison(main_rule, main_allocation, tuple(groups), tuple(notes))


def _group(row: EvaluationRow) -> Group:
    return Group(row.space, row.data, row.setting, row.protocol, row.method, row.epochs)


def _rule(row: EvaluationRow) -> Rule | None:
    """Return the rule of a row; None for a searched one."""
    if row.skip == SEARCHED:
        return None
    if row.ranking is None or row.allocation is None:
        raise ConfigError(
            f"evaluation {row.evaluation[:12]} of sweep {row.sweep}: skip {row.skip!r} needs ranking and allocation, "
            f"found {row.ranking!r} and {row.allocation!r}; evaluate it again"
        )
    return Rule(row.ranking, row.allocation)


def _distinct(rows: Iterable[EvaluationRow]) -> list[EvaluationRow]:
    """Return every evaluation once, or raise ConfigError if two claim the same seeds."""
    by_fingerprint = {row.evaluation: row for row in rows}
    by_place: dict[tuple[Any, ...], EvaluationRow] = {}
    problems = []
    for row in by_fingerprint.values():
        place = (_group(row), _rule(row), row.seed, row.retrain_seed)
        other = by_place.setdefault(place, row)
        if other is not row:
            problems.append(
                f"{_group(row).label}: seed {row.seed}, retraining seed {row.retrain_seed} must be one evaluation, "
                f"found {other.evaluation[:12]} in sweep {other.sweep} and {row.evaluation[:12]} in sweep {row.sweep}; "
                "their settings differ, so compare the sweeps one by one"
            )
    if problems:
        raise ConfigError(problems)
    return list(by_place.values())


def _main_rule(rows: Sequence[EvaluationRow], allocation: str, ranking: str | None) -> Rule | None:
    rules = {rule for row in rows if (rule := _rule(row)) is not None and rule.allocation == allocation}
    if ranking is not None:
        rules &= {Rule(ranking, allocation)}
    if len(rules) > 1:
        raise ConfigError(
            f"main_ranking: must be named where several rankers were evaluated with {allocation!r}, found "
            f"{', '.join(sorted(rule.ranking for rule in rules))}; the others become controls"
        )
    return next(iter(rules), None)


def _compare_group(
    group: Group, rows: Mapping[Rule | None, Sequence[EvaluationRow]], main_rule: Rule | None
) -> GroupComparison:
    arms = {rule: _arm(arm_rows) for rule, arm_rows in rows.items()}
    searched = arms.get(None)
    allocated = arms.get(main_rule) if main_rule is not None else None
    controls = tuple(
        ControlComparison(rule, arms[rule], _difference(allocated, arms[rule]))
        for rule in sorted(rule for rule in arms if rule is not None and rule != main_rule)
    )
    return GroupComparison(group, searched, allocated, _difference(allocated, searched), None, controls)


def _arm(rows: Sequence[EvaluationRow]) -> Arm:
    by_seed: dict[int, list[EvaluationRow]] = defaultdict(list)
    for row in rows:
        by_seed[row.seed].append(row)
    seeds = tuple(_seed_mean(seed, by_seed[seed]) for seed in sorted(by_seed))

    def over_seeds(value: Callable[[SeedMean], float]) -> float:
        return math.fsum(value(seed) for seed in seeds) / len(seeds)

    known_seconds = [seed.search_seconds for seed in seeds if seed.search_seconds is not None]
    return Arm(
        seeds=seeds,
        test_accuracy=summarize([seed.test_accuracy for seed in seeds]),
        best_test_accuracy=summarize([seed.best_test_accuracy for seed in seeds]),
        retraining_sd=_retraining_sd(by_seed.values()),
        parameters=over_seeds(lambda seed: seed.parameters),
        macs=over_seeds(lambda seed: seed.macs),
        num_skips=over_seeds(lambda seed: seed.num_skips),
        num_parametric=over_seeds(lambda seed: seed.num_parametric),
        refilled_share=over_seeds(lambda seed: seed.refilled_share),
        search_seconds=math.fsum(known_seconds) / len(known_seconds) if known_seconds else None,
        evaluation_seconds=over_seeds(lambda seed: seed.evaluation_seconds),
    )


def _seed_mean(seed: int, rows: Sequence[EvaluationRow]) -> SeedMean:
    def mean(value: Callable[[EvaluationRow], float]) -> float:
        return math.fsum(value(row) for row in rows) / len(rows)

    known_seconds = [row.search_seconds for row in rows if row.search_seconds is not None]
    return SeedMean(
        seed=seed,
        num_retrainings=len(rows),
        test_accuracy=mean(lambda row: row.test_accuracy),
        best_test_accuracy=mean(lambda row: row.best_test_accuracy),
        parameters=mean(lambda row: row.parameters),
        macs=mean(lambda row: row.macs),
        num_skips=mean(lambda row: row.num_skips),
        num_parametric=mean(lambda row: row.num_parametric),
        refilled_share=mean(lambda row: row.refilled_share),
        search_seconds=math.fsum(known_seconds) / len(known_seconds) if known_seconds else None,
        evaluation_seconds=mean(lambda row: row.evaluation_seconds),
    )


def _retraining_sd(by_seed: Iterable[Sequence[EvaluationRow]]) -> float | None:
    """Return the deviation within seeds, pooled: sqrt(sum of squares within seeds / sum of (retrainings - 1)).

    Source: the within-group mean square of a one-way analysis of variance (Fisher 1925).
    """
    squares, degrees = 0.0, 0
    for rows in by_seed:
        mean = math.fsum(row.test_accuracy for row in rows) / len(rows)
        squares += math.fsum((row.test_accuracy - mean) ** 2 for row in rows)
        degrees += len(rows) - 1
    return math.sqrt(squares / degrees) if degrees else None


def _difference(a: Arm | None, b: Arm | None) -> PairedDifference | None:
    """Return a - b in final test accuracy over the seeds that both have; None if there is none."""
    if a is None or b is None:
        return None
    first, second = ({seed.seed: seed.test_accuracy for seed in arm.seeds} for arm in (a, b))
    shared = sorted(first.keys() & second.keys())
    return paired([first[seed] for seed in shared], [second[seed] for seed in shared]) if shared else None


def _adjusted(groups: Sequence[GroupComparison]) -> list[GroupComparison]:
    """Return the groups with the p-values of their main differences adjusted as one family."""
    pvalues = {
        index: group.difference.t_pvalue
        for index, group in enumerate(groups)
        if group.difference is not None and group.difference.t_pvalue is not None
    }
    adjusted = dict(zip(pvalues, holm(list(pvalues.values())), strict=True))
    return [replace(group, holm_pvalue=adjusted.get(index)) for index, group in enumerate(groups)]


def _group_notes(comparison: GroupComparison) -> list[str]:
    arms = {SEARCHED: comparison.searched, ALLOCATED: comparison.allocated}
    arms |= {f"control {control.rule.label}": control.arm for control in comparison.controls}
    present = {name: arm for name, arm in arms.items() if arm is not None}
    all_seeds = sorted({seed.seed for arm in present.values() for seed in arm.seeds})
    notes = [f"no {name} network is evaluated, so there is no difference." for name, arm in arms.items() if arm is None]
    missing = []
    for name, arm in present.items():
        absent = [seed for seed in all_seeds if seed not in {mean.seed for mean in arm.seeds}]
        if absent:
            missing.append(f"{name} lacks seed {_listed(absent)} (n = {len(arm.seeds)} of {len(all_seeds)})")
        counts = sorted({mean.num_retrainings for mean in arm.seeds})
        if len(counts) > 1:
            notes.append(
                f"{name} has between {counts[0]} and {counts[-1]} retrainings a seed; every seed counts alike."
            )
        if arm.test_accuracy.is_constant:
            notes.append(f"all {arm.test_accuracy.n} seeds of {name} have the same test accuracy: no interval.")
    if missing:
        notes.append(f"{'; '.join(missing)}. Differences use the seeds that both sides have.")
    if len(all_seeds) == 1:
        notes.append("a single seed: no deviation, no interval and no test.")
    for name, difference in (
        ("allocated - searched", comparison.difference),
        *((f"main - {control.rule.label}", control.difference) for control in comparison.controls),
    ):
        if difference is not None and difference.is_constant:
            notes.append(f"the {difference.n} differences {name} are all equal: no interval and no test.")
        if difference is not None and difference.n == 1 and len(all_seeds) > 1:
            notes.append(f"{name} has a single pair: no interval and no test.")
    return [f"{comparison.group.label}: {note}" for note in notes]


def _general_notes(groups: Sequence[GroupComparison], sweeps: Sequence[SweepRows]) -> list[str]:
    notes = []
    settings: dict[tuple[Any, ...], set[str]] = defaultdict(set)
    for comparison in groups:
        settings[comparison.group._replace(setting="")].add(comparison.group.setting)
    for group, found in sorted(settings.items()):
        if len(found) > 1:
            notes.append(
                f"{Group(*group).label}: not pooled, because the settings differ: {' and '.join(sorted(found))}."
            )
    pairs = [comparison.difference.n for comparison in groups if comparison.difference is not None]
    if pairs and max(pairs) > 1 and min(pairs) < MIN_WILCOXON_PAIRS:
        notes.append(
            f"With fewer than {MIN_WILCOXON_PAIRS} pairs a Wilcoxon test can't reach p < 0.05: only the t test is "
            "given, which assumes that differences are normally distributed."
        )
    num_tests = sum(comparison.holm_pvalue is not None for comparison in groups)
    if num_tests > 1:
        notes.append(f"Holm's p-values are adjusted for {num_tests} tests of allocated against searched.")
    if any(comparison.controls for comparison in groups):
        notes.append("The p-values of controls are not adjusted for the number of tests.")
    for sweep in sweeps:
        notes += [_failure_note(trial) for trial in sweep.failed]
    unfinished = sum(sweep.unfinished for sweep in sweeps)
    if unfinished:
        notes.append(f"{unfinished} trial{'s are' if unfinished > 1 else ' is'} unfinished and not in the tables.")
    return notes


def _failure_note(failed: FailedTrial) -> str:
    trial = failed.trial
    where = ", ".join(
        f"{name} {trial[key]}"
        for key, name in (
            ("space", "space"),
            ("epochs", "epochs"),
            ("seed", "seed"),
            ("retrain_seed", "retraining seed"),
            ("ranking", "ranking"),
            ("allocation", "allocation"),
        )
        if trial.get(key) is not None
    )
    return f"Failed {failed.kind}: {trial.get('method')} {trial.get('skip')} ({where}): {failed.error}"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
