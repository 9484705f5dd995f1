"""What a reviewer asks about an architecture search.

Items are answered from the rows of the sweeps where possible.

Source: items of Lindauer & Hutter 2020 (JMLR 21(243)), reworded.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from aca_ray.comparison import Comparison, TrialRow
from aca_ray.comparison.arms import Arm
from aca_ray.comparison.groups import DIFFERENCES, RANDOM_SEARCH, GroupComparison
from aca_ray.report.formats import prose, text
from aca_ray.report.panel import Panel
from aca_ray.report.row_files import RowFile
from aca_ray.report.table import Table

YES, PARTLY, NO, OPEN = "yes", "partly", "no", "for you to answer"

Answer = tuple[str, str]


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


def checklist_items(comparison: Comparison) -> tuple[ChecklistItem, ...]:
    """Return every item, answered where the rows have the answer."""
    groups, trials = comparison.groups, comparison.rows.trials
    arms = [arm for group in groups for arm in group.arms.values()]
    protocols = ", ".join(sorted({group.group.protocol for group in groups}))
    code = f"state where to get the code that ran the trials (aca_ray {_versions(trials)}), with any changes"
    seeds = f"search seeds {_listed(trial.seed for trial in trials)}, retraining seeds " + _listed(
        trial.retrain_seed for trial in trials if trial.retrain_seed is not None
    )
    nothing = (NO, "nothing has finished yet")
    items: dict[str, Answer] = {
        "Is the code that trains the final networks released?": (OPEN, code),
        "Is the code of the search space released?": (OPEN, code),
        "Are the settings and seeds of the final training reported?": (
            (YES, f"protocol {protocols}, with the settings of this code version; {seeds}") if arms else nothing
        ),
        "Is the code of the search methods released?": (OPEN, code),
        "Are the settings and seeds of the searches reported?": (
            (YES, f"in spec.yaml of the sweep and in the record of every trial; {seeds}") if trials else nothing
        ),
        "Do all methods use the same data, splits, search space, and code and settings of the final training?": (
            _same_benchmark(groups, trials) if groups else nothing
        ),
        "Are confounders controlled: hardware, library versions, threads?": _confounders(trials) if trials else nothing,
        "Are there ablations: parts of the method removed or replaced one by one?": _ablations(groups),
        "Are compared networks evaluated under the same protocol?": (
            (YES, f"{protocols}; networks of different protocols are never compared") if groups else nothing
        ),
        "Is performance compared over time, not only at one budget?": _over_time(groups) if groups else nothing,
        "Is there a comparison with random search?": _random_search(groups),
        "Is every experiment repeated, and are the seeds reported?": _repetitions(arms) if arms else nothing,
        "Is a tabular or surrogate benchmark used where training would be too expensive?": _tabular(groups),
        "Is it reported how settings were tuned, and at what cost?": (OPEN, "a sweep has no record of earlier tuning"),
        "Is the time of the whole method reported, not only of the search?": _whole_time(comparison),
        "Is the whole experimental setup described?": (
            (YES, "provenance, spec.yaml and the rows of every trial are part of this report") if trials else nothing
        ),
    }
    return tuple(ChecklistItem(item, *answer) for item, answer in items.items())


def _same_benchmark(groups: Sequence[GroupComparison], trials: Sequence[TrialRow]) -> Answer:
    codes = {trial.versions for trial in trials}
    places = {group.group.place for group in groups}
    evidence = (
        f"one digest per data set; combinations of space, data, setting and protocol, compared separately: "
        f"{len(places)}; sets of code and package versions: {len(codes)}"
    )
    return YES if len(codes) == 1 else PARTLY, evidence


def _confounders(trials: Sequence[TrialRow]) -> Answer:
    kinds: dict[str, Collection[object]] = {
        "kinds of devices": {trial.device for trial in trials},
        "sets of versions": {trial.versions for trial in trials},
        "thread counts": {trial.threads for trial in trials},
    }
    evidence = ", ".join(f"{name}: {len(found)}" for name, found in kinds.items())
    return YES if all(len(found) == 1 for found in kinds.values()) else PARTLY, evidence


def _ablations(groups: Sequence[GroupComparison]) -> Answer:
    controls = sorted({f"{one.control} ({one.pair.label})" for group in groups for one in group.controls if one.pair})
    compared = [
        f"{main} against {baseline}"
        for main, baseline in DIFFERENCES
        if any(group.difference(main, baseline).difference for group in groups)
    ]
    evidence = (", ".join(compared) or "no two of searched, skip-free and allocated to compare") + (
        f"; controls: {', '.join(controls)}" if controls else "; no control"
    )
    return YES if compared and controls else PARTLY if compared or controls else NO, evidence


def _over_time(groups: Sequence[GroupComparison]) -> Answer:
    budgets = sorted({group.group.epochs for group in groups})
    evidence = f"networks evaluated after {', '.join(map(str, budgets))} search epochs"
    return YES if len(budgets) > 1 else NO, evidence


def _random_search(groups: Sequence[GroupComparison]) -> Answer:
    methods = [group for group in groups if group.group.method != RANDOM_SEARCH]
    compared = sum(any(one.difference for one in group.random_baselines) for group in methods)
    evidence = f"groups with random architectures of the same space and protocol: {compared} of {len(methods)}"
    return NO if not compared else YES if compared == len(methods) else PARTLY, evidence


def _repetitions(arms: Sequence[Arm]) -> Answer:
    counts = [arm.test_accuracy.n for arm in arms]
    retrained = [seed.num_retrainings for arm in arms for seed in arm.seeds]
    evidence = f"search seeds per arm: {_span(counts)}; retrainings per search: {_span(retrained)}; see networks.csv"
    return YES if min(counts) > 1 else PARTLY if max(counts) > 1 else NO, evidence


def _tabular(groups: Sequence[GroupComparison]) -> Answer:
    tables = sorted({group.group.space for group in groups if group.group.place.is_looked_up})
    evidence = f"accuracies in space {', '.join(tables)} are looked up" if tables else "all networks were trained"
    return YES if tables else NO, evidence


def _whole_time(comparison: Comparison) -> Answer:
    costs = comparison.costs
    known = sum(row.seconds is not None for row in costs)
    evidence = f"arms with known time of search, ranking and retraining: {known} of {len(costs)}"
    return NO if not known else YES if known == len(costs) else PARTLY, evidence


def _versions(trials: Sequence[TrialRow]) -> str:
    found = {json.loads(versions).get("aca_ray") for versions in {trial.versions for trial in trials}} - {None}
    return " and ".join(sorted(found)) or "of unknown version"


def _listed(values: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(values)))) or "none"


def _span(counts: Sequence[int]) -> str:
    return str(min(counts)) if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"


def _tables(comparison: Comparison) -> tuple[Table]:
    table = Table(
        "checklist",
        "Checklist for experiments in architecture search",
        "Items of Lindauer & Hutter (JMLR 21(243), 2020), reworded and answered from the records; the others are "
        "for you to answer.",
        (prose("item"), text("answer"), prose("evidence")),
        checklist_items(comparison),
    )
    return (table,)


PANEL = Panel(
    "checklist",
    "Checklist",
    "What a reviewer asks about an architecture search.",
    "The sweep cannot answer any item yet.",
    tables=_tables,
    files=lambda comparison: [RowFile("checklist.csv", "the checklist", checklist_items(comparison), ChecklistItem)],
)
