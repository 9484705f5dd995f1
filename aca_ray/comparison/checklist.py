"""The checklist for experiments in architecture search, answered from the rows of a sweep where possible.

Source: items of Lindauer & Hutter 2020 (JMLR 21(243)), reworded.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from aca_ray.comparison.arms import Arm
from aca_ray.comparison.costs import CostRow
from aca_ray.comparison.groups import DIFFERENCES, RANDOM_SEARCH, GroupComparison
from aca_ray.comparison.rows import SweepRows, TrialRow

YES, PARTLY, NO, OPEN = "yes", "partly", "no", "for you to answer"
_NOTHING = "nothing has finished yet"


@dataclass(frozen=True)
class ChecklistItem:
    """One item.

    Attributes:
        item: the question.
        answer: `yes`, `partly`, `no`, or `for you to answer`.
        evidence: facts behind the answer, or what the author still has to state.
    """

    item: str
    answer: str
    evidence: str


def checklist_items(
    groups: Sequence[GroupComparison], costs: Sequence[CostRow], sweeps: Sequence[SweepRows]
) -> tuple[ChecklistItem, ...]:
    """Return every item, answered where the rows have the answer."""
    trials = [trial for sweep in sweeps for trial in sweep.trials]
    arms = [arm for group in groups for _, arm in group.arms]
    code = f"state where to get the code that ran the trials (aca_ray {_versions(trials)}), with any changes"
    seeds = f"search seeds {_listed(trial.seed for trial in trials)}, retraining seeds " + _listed(
        trial.retrain_seed for trial in trials if trial.retrain_seed is not None
    )
    protocols = _protocols(groups)
    return (
        ChecklistItem("Is the code that trains the final networks released?", OPEN, code),
        ChecklistItem("Is the code of the search space released?", OPEN, code),
        ChecklistItem(
            "Are the settings and seeds of the final training reported?",
            YES if arms else NO,
            f"protocol {protocols}, with the settings of this code version; {seeds}" if arms else _NOTHING,
        ),
        ChecklistItem("Is the code of the search methods released?", OPEN, code),
        ChecklistItem(
            "Are the settings and seeds of the searches reported?",
            YES if trials else NO,
            f"in spec.yaml of the sweep and in the record of every trial; {seeds}" if trials else _NOTHING,
        ),
        _same_benchmark(groups, trials),
        _confounders(trials),
        _ablations(groups),
        _same_protocol(groups),
        _over_time(groups),
        _random_search(groups),
        _repetitions(arms),
        _tabular(groups),
        ChecklistItem(
            "Is it reported how settings were tuned, and at what cost?", OPEN, "a sweep has no record of earlier tuning"
        ),
        _whole_time(costs),
        ChecklistItem(
            "Is the whole experimental setup described?",
            YES if trials else NO,
            "provenance, spec.yaml and the rows of every trial are part of this report" if trials else _NOTHING,
        ),
    )


def _same_benchmark(groups: Sequence[GroupComparison], trials: Sequence[TrialRow]) -> ChecklistItem:
    item = "Do all methods use the same data, splits, search space, and code and settings of the final training?"
    if not groups:
        return ChecklistItem(item, NO, _NOTHING)
    codes = {trial.versions for trial in trials}
    places = {group.group[:4] for group in groups}
    evidence = (
        f"one digest per data set; combinations of space, data, setting and protocol, compared separately: "
        f"{len(places)}; sets of code and package versions: {len(codes)}"
    )
    return ChecklistItem(item, YES if len(codes) == 1 else PARTLY, evidence)


def _confounders(trials: Sequence[TrialRow]) -> ChecklistItem:
    item = "Are confounders controlled: hardware, library versions, threads?"
    kinds: dict[str, Collection[object]] = {
        "kinds of devices": {trial.device for trial in trials},
        "sets of versions": {trial.versions for trial in trials},
        "thread counts": {trial.threads for trial in trials},
    }
    if not trials:
        return ChecklistItem(item, NO, _NOTHING)
    evidence = ", ".join(f"{name}: {len(found)}" for name, found in kinds.items())
    return ChecklistItem(item, YES if all(len(found) == 1 for found in kinds.values()) else PARTLY, evidence)


def _ablations(groups: Sequence[GroupComparison]) -> ChecklistItem:
    item = "Are there ablations: parts of the method removed or replaced one by one?"
    controls = sorted({f"{control.control} ({control.pair.label})" for group in groups for control in group.controls})
    compared = [
        f"{main} against {baseline}"
        for main, baseline in DIFFERENCES
        if any(group.difference(main, baseline).difference for group in groups)
    ]
    evidence = (", ".join(compared) or "no two of searched, skip-free and allocated to compare") + (
        f"; controls: {', '.join(controls)}" if controls else "; no control"
    )
    return ChecklistItem(item, YES if compared and controls else PARTLY if compared or controls else NO, evidence)


def _same_protocol(groups: Sequence[GroupComparison]) -> ChecklistItem:
    item = "Are compared networks evaluated under the same protocol?"
    if not groups:
        return ChecklistItem(item, NO, _NOTHING)
    return ChecklistItem(item, YES, f"{_protocols(groups)}; networks of different protocols are never compared")


def _over_time(groups: Sequence[GroupComparison]) -> ChecklistItem:
    item = "Is performance compared over time, not only at one budget?"
    budgets = sorted({group.group.epochs for group in groups})
    if not budgets:
        return ChecklistItem(item, NO, _NOTHING)
    evidence = f"networks evaluated after {', '.join(map(str, budgets))} search epochs"
    return ChecklistItem(item, YES if len(budgets) > 1 else NO, evidence)


def _random_search(groups: Sequence[GroupComparison]) -> ChecklistItem:
    item = "Is there a comparison with random search?"
    methods = [group for group in groups if group.group.method != RANDOM_SEARCH]
    compared = sum(any(each.difference for each in group.random_baselines) for group in methods)
    evidence = f"groups with random architectures of the same space and protocol: {compared} of {len(methods)}"
    return ChecklistItem(item, NO if not compared else YES if compared == len(methods) else PARTLY, evidence)


def _repetitions(arms: Sequence[Arm]) -> ChecklistItem:
    item = "Is every experiment repeated, and are the seeds reported?"
    if not arms:
        return ChecklistItem(item, NO, _NOTHING)
    counts = [arm.test_accuracy.n for arm in arms]
    retrained = [seed.num_retrainings for arm in arms for seed in arm.seeds]
    evidence = f"search seeds per arm: {_span(counts)}; retrainings per search: {_span(retrained)}; see evaluations.csv"
    return ChecklistItem(item, YES if min(counts) > 1 else PARTLY if max(counts) > 1 else NO, evidence)


def _tabular(groups: Sequence[GroupComparison]) -> ChecklistItem:
    tables = sorted({group.group.space for group in groups if group.group.is_looked_up})
    return ChecklistItem(
        "Is a tabular or surrogate benchmark used where training would be too expensive?",
        YES if tables else NO,
        f"accuracies in space {', '.join(tables)} are looked up" if tables else "all networks were trained",
    )


def _whole_time(costs: Sequence[CostRow]) -> ChecklistItem:
    item = "Is the time of the whole method reported, not only of the search?"
    known = sum(row.seconds is not None for row in costs)
    evidence = f"arms with known time of search, ranking and retraining: {known} of {len(costs)}"
    return ChecklistItem(item, NO if not known else YES if known == len(costs) else PARTLY, evidence)


def _protocols(groups: Sequence[GroupComparison]) -> str:
    return ", ".join(sorted({group.group.protocol for group in groups}))


def _versions(trials: Sequence[TrialRow]) -> str:
    found = {json.loads(versions).get("aca_ray") for versions in {trial.versions for trial in trials}} - {None}
    return " and ".join(sorted(found)) or "of unknown version"


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(values)))) or "none"


def _span(counts: Sequence[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
