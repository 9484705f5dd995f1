"""Notes: caveats of a comparison, as plain sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from aca_ray.comparison import NETWORKS, Comparison, FailedTrial, SweepRows
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.groups import CONTROL, RANDOM_SEARCH, GroupComparison
from aca_ray.comparison.statistics import MIN_BOOTSTRAP_VALUES, MIN_WILCOXON_PAIRS, NUM_RESAMPLES


def notes_of(comparison: Comparison) -> tuple[str, ...]:
    """Return the notes on each group, then the general ones."""
    groups = comparison.groups
    return (*(note for group in groups for note in _group_notes(group)), *_general_notes(groups, comparison.sweeps))


def _group_notes(comparison: GroupComparison) -> list[str]:
    controls = {f"control {one.control}": one.baseline_arm for one in comparison.controls}
    present = {name: arm for name, arm in (*comparison.arms.items(), *controls.items()) if arm is not None}
    all_seeds = sorted({seed.seed for arm in present.values() for seed in arm.seeds})
    not_there = [f"no {name}" for name in NETWORKS if name not in present]
    notes = [f"{' and '.join(not_there)} network has finished: no difference from it."] if not_there else []
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
        if arm.num_trainings < arm.num_networks:
            notes.append(
                f"the {arm.num_networks} networks of {name} share {arm.num_trainings} "
                f"training{'s' if arm.num_trainings > 1 else ''}, because searches found equal networks: intervals and "
                "tests leave out a part of the noise of training."
            )
        if arm.test_accuracy.is_constant:
            notes.append(f"all {arm.test_accuracy.n} seeds of {name} have the same test accuracy: no interval.")
    if missing:
        notes.append(f"{'; '.join(missing)}. Differences use the seeds that both sides have.")
    if len(all_seeds) == 1:
        notes.append("only one seed: no standard deviation, interval or test.")
    for one in comparison.random_baselines:
        if not one.bands_overlap and one.main_arm and one.baseline_arm:
            notes.append(
                f"{one.main} networks have {_band(one.main_arm.parameter_range)} parameters, random ones "
                f"{_band(one.baseline_arm.parameter_range)}: the ranges do not overlap, so size alone may explain a "
                "difference."
            )
        if one.difference is None:
            notes.append(f"{one.main} networks and random architectures share no seed: no difference.")
    for one in comparison.comparisons:
        if one.difference is not None and one.difference.is_constant:
            notes.append(f"the {one.num_pairs} differences {one.label} are all equal: no interval or test.")
        if one.num_pairs == 1 and len(all_seeds) > 1:
            notes.append(f"{one.label} has only one pair: no interval or test.")
    return [f"{comparison.group.label}: {note}" for note in notes]


def _general_notes(groups: Sequence[GroupComparison], sweeps: Sequence[SweepRows]) -> list[str]:
    notes = []
    for group, found in sorted(grouped(groups, lambda one: one.group._replace(setting="")).items()):
        if len(found) > 1:
            settings = " and ".join(one.group.setting for one in found)
            notes.append(f"{group.label}: not pooled, because the settings differ: {settings}.")
    compared = [one for group in groups for one in group.comparisons]
    pairs = [one.num_pairs for one in compared if one.difference]
    if pairs and max(pairs) > 1 and min(pairs) < MIN_WILCOXON_PAIRS:
        notes.append(
            f"With fewer than {MIN_WILCOXON_PAIRS} pairs, a Wilcoxon test cannot reach p < 0.05. Only the t test is "
            "reported, which assumes normally distributed differences."
        )
    ordered = sorted(compared, key=lambda one: (one.baseline == RANDOM_SEARCH, one.baseline == CONTROL))
    counts = Counter(one.family for one in ordered if one.holm_pvalue is not None)
    if max(counts.values(), default=0) > 1:
        tests = ", ".join(f"{count} of {family}" for family, count in counts.items())
        notes.append(f"Holm's correction is applied within each family of tests: {tests}.")
    arms = [arm for comparison in groups for arm in comparison.arms.values()]
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
            "(shared_with in networks.csv); the cost of these arms is not compared with that of others."
        )
    devices = sorted({device for arm in arms for device in (*arm.search_devices, *arm.retraining_devices)})
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
    if not (sweep.trials or sweep.networks or sweep.curves or sweep.failed):
        return [f"{name} is empty: no trial has a record."]
    notes = []
    if not sweep.networks:
        notes.append(f"{name} has no finished network yet.")
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
