"""Notes: caveats of a comparison, as plain sentences."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from aca_ray.comparison.arms import Group
from aca_ray.comparison.groups import DIFFERENCES, GroupComparison
from aca_ray.comparison.kinds import ALLOCATED, SEARCHED, SKIP_FREE
from aca_ray.comparison.rows import FailedTrial, SweepRows
from aca_ray.comparison.statistics import MIN_BOOTSTRAP_VALUES, MIN_WILCOXON_PAIRS, NUM_RESAMPLES


def notes_of(groups: Sequence[GroupComparison], sweeps: Sequence[SweepRows]) -> tuple[str, ...]:
    """Return the notes on each group, then the general ones."""
    return (*(note for group in groups for note in _group_notes(group)), *_general_notes(groups, sweeps))


def _group_notes(comparison: GroupComparison) -> list[str]:
    names = (SEARCHED, SKIP_FREE, ALLOCATED)
    present = dict(comparison.arms) | {f"control {control.control}": control.arm for control in comparison.controls}
    all_seeds = sorted({seed.seed for arm in present.values() for seed in arm.seeds})
    not_there = [f"no {name}" for name in names if name not in present]
    notes = [f"{' and '.join(not_there)} network was evaluated: no difference from it."] if not_there else []
    missing = []
    for name, arm in present.items():
        absent = [seed for seed in all_seeds if seed not in {mean.seed for mean in arm.seeds}]
        if absent:
            missing.append(f"{name} lacks seed {_listed(absent)} (n = {len(arm.seeds)} of {len(all_seeds)})")
        counts = sorted({mean.num_retrainings for mean in arm.seeds})
        if len(counts) > 1:
            notes.append(
                f"{name} has between {counts[0]} and {counts[-1]} retrainings per seed; seeds have equal weight."
            )
        if arm.test_accuracy.is_constant:
            notes.append(f"all {arm.test_accuracy.n} seeds of {name} have the same test accuracy: no interval.")
    if missing:
        notes.append(f"{'; '.join(missing)}. Differences use the seeds that both sides have.")
    if len(all_seeds) == 1:
        notes.append("only one seed: no standard deviation, interval or test.")
    for baseline in comparison.random_baselines:
        if not baseline.bands_overlap:
            notes.append(
                f"{baseline.networks} networks have {_band(baseline.parameters)} parameters, random ones "
                f"{_band(baseline.baseline_parameters)}: the ranges do not overlap, so size alone may explain a "
                "difference."
            )
        if baseline.difference is None:
            notes.append(f"{baseline.networks} networks and random architectures share no seed: no difference.")
    for name, difference in (
        *((each.label, each.difference) for each in comparison.differences),
        *((f"allocated - {control.control}", control.difference) for control in comparison.controls),
        *((f"{baseline.networks} - random", baseline.difference) for baseline in comparison.random_baselines),
    ):
        if difference is not None and difference.is_constant:
            notes.append(f"the {difference.n} differences {name} are all equal: no interval or test.")
        if difference is not None and difference.n == 1 and len(all_seeds) > 1:
            notes.append(f"{name} has only one pair: no interval or test.")
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
    pairs = [difference.n for group in groups for difference in group.known_differences]
    if pairs and max(pairs) > 1 and min(pairs) < MIN_WILCOXON_PAIRS:
        notes.append(
            f"With fewer than {MIN_WILCOXON_PAIRS} pairs, a Wilcoxon test cannot reach p < 0.05. Only the t test is "
            "reported, which assumes normally distributed differences."
        )
    families = {
        **{
            f"{main} against {baseline}": [group.difference(main, baseline).holm_pvalue for group in groups]
            for main, baseline in DIFFERENCES
        },
        "allocated against a control": [each.holm_pvalue for comparison in groups for each in comparison.controls],
        "a method against random architectures": [
            each.holm_pvalue for comparison in groups for each in comparison.random_baselines
        ],
    }
    counts = {name: sum(pvalue is not None for pvalue in pvalues) for name, pvalues in families.items()}
    if max(counts.values()) > 1:
        tests = ", ".join(f"{count} of {name}" for name, count in counts.items() if count)
        notes.append(f"Holm's correction is applied within each family of tests: {tests}.")
    arms = [arm for comparison in groups for _, arm in comparison.arms]
    if any(arm.test_accuracy.interval == "bootstrap" for arm in arms):
        notes.append(
            f"Intervals of means are Student's t intervals below {MIN_BOOTSTRAP_VALUES} seeds and bootstrap intervals "
            f"(BCa, {NUM_RESAMPLES:,} resamples) otherwise. Intervals of differences are always t intervals, "
            "consistent with the t test."
        )
    num_shared = sum(arm.num_shared for arm in arms)
    if num_shared:
        notes.append(
            f"{num_shared} retraining{'s were' if num_shared > 1 else ' was'} copied from identical ones at no cost "
            "(shared_with in evaluations.csv); the cost of these arms is not compared with that of others."
        )
    devices = sorted({device for arm in arms for device in arm.devices})
    if len(devices) > 1:
        notes.append(
            f"Trials ran on {len(devices)} kinds of devices ({', '.join(devices)}): times are compared only between "
            "arms with the same devices."
        )
    for sweep in sweeps:
        notes += _sweep_notes(sweep)
        notes += [_failure_note(trial) for trial in sweep.failed]
    unfinished = sum(sweep.unfinished for sweep in sweeps)
    if unfinished:
        notes.append(f"{unfinished} trial{'s are' if unfinished > 1 else ' is'} unfinished and not in the tables.")
    return notes


def _sweep_notes(sweep: SweepRows) -> list[str]:
    name = f"Sweep {sweep.sweep}" if sweep.sweep else "The sweep"
    if not (sweep.trials or sweep.evaluations or sweep.curves or sweep.failed or sweep.unfinished):
        return [f"{name} is empty: no trial has begun."]
    notes = []
    if not sweep.evaluations:
        notes.append(f"{name} has no finished evaluation yet.")
    older = {row.search for row in sweep.curves if row.genotype is None}
    if older:
        notes.append(
            f"{name}: an older version recorded {len(older)} of {len({row.search for row in sweep.curves})} searches "
            "without the architecture of every epoch. Their genotypes, churn and mixing weights are unknown."
        )
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
            ("control", "control"),
        )
        if trial.get(key) is not None
    )
    return f"Failed {failed.kind}: {trial.get('method')} {trial.get('skip')} ({where}): {failed.error}"


def _band(band: tuple[float, float]) -> str:
    low, high = (f"{parameters:,.0f}" for parameters in band)
    return low if low == high else f"{low} to {high}"


def _listed(values: Sequence[int]) -> str:
    return ", ".join(map(str, values))
