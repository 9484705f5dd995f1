"""The comparison in plain sentences: what was compared, what is shown, and what is not.

Source: ours; that an interval which holds 0 is no finding, nor a single seed, follows Lindauer & Hutter 2020.
"""

from __future__ import annotations

from collections.abc import Sequence

from aca_ray.comparison import Comparison, GroupComparison, PairedDifference, SweepRows
from aca_ray.report.accuracy_tables import blocks
from aca_ray.report.formats import percent, signed_percent

SIGNIFICANCE = 0.05
_MOST_SENTENCES = 8


def summary(comparison: Comparison, sweeps: Sequence[SweepRows]) -> tuple[str, ...]:
    """Return the sentences; no claim is made from one pair of seeds, nor where the interval holds 0."""
    return (_compared(comparison, sweeps), *_state(sweeps), *_findings(comparison), *_baseline(comparison))


def conclusion(difference: PairedDifference, holm_pvalue: float | None) -> str:
    """Return what a difference of allocated - searched shows, as the end of a sentence."""
    mean = f"allocated - searched is {signed_percent(difference.mean).text} percentage points"
    pairs = f"{difference.n} pairs of seeds"
    if difference.n == 1:
        return f"{mean} for the one pair of seeds: nothing can be concluded from one."
    if difference.low is None or difference.high is None:
        return f"{mean} for all of {pairs}: equal differences have no interval, so nothing is concluded."
    limits = f"[{signed_percent(difference.low).text}, {signed_percent(difference.high).text}]"
    shown = f"{mean}, 95 % interval {limits}, {pairs}"
    if difference.low <= 0 <= difference.high:
        missed = (
            f"; a true one below {percent(difference.detectable).text} would often be missed"
            if difference.detectable is not None
            else ""
        )
        return f"{shown}: the interval holds 0, so no difference is shown{missed}."
    if holm_pvalue is None or holm_pvalue >= SIGNIFICANCE:
        return f"{shown}: the interval excludes 0, but not after Holm's correction for several tests: no finding."
    better = "allocated" if difference.mean > 0 else "searched"
    return f"{shown}: {better} networks are more accurate under this protocol (p = {holm_pvalue:.2g} after Holm)."


def _compared(comparison: Comparison, sweeps: Sequence[SweepRows]) -> str:
    evaluations = {row.evaluation: row for sweep in sweeps for row in sweep.evaluations}.values()
    names = " and ".join(sorted({sweep.sweep for sweep in sweeps if sweep.sweep}))
    of = f" of {'sweep' if len(sweeps) == 1 else 'sweeps'} {names}" if names else ""
    if not evaluations:
        return f"No evaluation{of} is finished yet: there is nothing to compare."
    methods = sorted({row.method for row in evaluations})
    num_searches = len({row.search for row in evaluations})
    seeds = {row.seed for row in evaluations}
    rule = f"; allocated means {comparison.main_rule.label}" if comparison.main_rule else ""
    return (
        f"Compared: {len(evaluations)} retrained networks from {num_searches} searches{of}, "
        f"{len(methods)} method{'s' if len(methods) > 1 else ''} ({', '.join(methods)}), "
        f"{len(seeds)} search seed{'s' if len(seeds) > 1 else ''}; "
        f"{'; '.join(f'space {where}' for where, _ in blocks(comparison))}{rule}."
    )


def _state(sweeps: Sequence[SweepRows]) -> list[str]:
    failed = sum(len(sweep.failed) for sweep in sweeps)
    unfinished = sum(sweep.unfinished for sweep in sweeps)
    sentences = []
    if unfinished:
        sentences.append(f"Not finished: {unfinished} begun trials are still missing; the numbers will change.")
    if failed:
        sentences.append(f"Failed: {failed} trials ended in an error and are in no mean.")
    return sentences


def _findings(comparison: Comparison) -> list[str]:
    """Return a sentence per group; of many groups only those that show a difference, and how many do not."""
    compared = [(group, group.difference) for group in comparison.groups if group.difference is not None]
    if comparison.groups and not compared:
        return ["No search seed has both a searched and an allocated network: no difference can be given."]
    shown = [(group, difference) for group, difference in compared if _is_finding(group, difference)]
    places = {group.group: f" ({where})" for where, groups in blocks(comparison) for group in groups}
    has_one_place = len(set(places.values())) == 1
    sentences = [
        f"{group.group.method} after {group.group.epochs} search epochs{'' if has_one_place else places[group.group]}: "
        f"{conclusion(difference, group.holm_pvalue)}"
        for group, difference in (compared if len(compared) <= _MOST_SENTENCES else shown[:_MOST_SENTENCES])
    ]
    if len(compared) > _MOST_SENTENCES:
        first = " (the first ones follow)" if len(shown) > _MOST_SENTENCES else ""
        sentences.insert(
            0,
            f"Of {len(compared)} comparisons of allocated with searched networks, {len(shown)} show a difference "
            f"after Holm's correction{first}; the others show none.",
        )
    return sentences


def _is_finding(group: GroupComparison, difference: PairedDifference) -> bool:
    return (
        difference.low is not None
        and difference.high is not None
        and not difference.low <= 0 <= difference.high
        and group.holm_pvalue is not None
        and group.holm_pvalue < SIGNIFICANCE
    )


def _baseline(comparison: Comparison) -> list[str]:
    if not comparison.groups or any(group.random_baselines for group in comparison.groups):
        return []
    return ["No random architectures were retrained alongside: whether these searches beat chance can't be said."]
