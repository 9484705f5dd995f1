"""What a reader must know before believing the numbers, in plain sentences.

Source: ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from aca_ray.comparison.arms import ALLOCATED, SEARCHED, Group
from aca_ray.comparison.groups import GroupComparison
from aca_ray.comparison.rows import FailedTrial, SweepRows
from aca_ray.comparison.statistics import MIN_WILCOXON_PAIRS


def notes_of(groups: Sequence[GroupComparison], sweeps: Sequence[SweepRows]) -> tuple[str, ...]:
    """Return the notes on every group, then those on all of them."""
    return (*(note for group in groups for note in _group_notes(group)), *_general_notes(groups, sweeps))


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
