"""The comparison in plain sentences: what was compared, what is shown, and what is not.

Source: ours; that an interval which holds 0 is no finding, nor a single seed, follows Lindauer & Hutter 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from aca_ray.comparison import ALLOCATED, SEARCHED, Comparison, GroupComparison, PairedDifference, SweepRows
from aca_ray.report.accuracy_tables import blocks
from aca_ray.report.formats import interval, percent, signed_percent

SIGNIFICANCE = 0.05
_MOST_SENTENCES = 8


class _Compared(NamedTuple):
    """One difference a - b, and what it is of."""

    subject: str
    a: str
    b: str
    difference: PairedDifference
    holm_pvalue: float | None
    caveat: str = ""

    @property
    def is_finding(self) -> bool:
        """Whether a difference is shown: the interval excludes 0 and the corrected p-value is small."""
        low, high = self.difference.low, self.difference.high
        return (
            low is not None
            and high is not None
            and not low <= 0 <= high
            and self.holm_pvalue is not None
            and self.holm_pvalue < SIGNIFICANCE
        )

    @property
    def sentence(self) -> str:
        """What is shown, and what is not."""
        difference = self.difference
        mean = f"{self.subject}: {self.a} - {self.b} is {signed_percent(difference.mean).text} percentage points"
        if difference.n == 1:
            return f"{mean} for the one pair of seeds: nothing can be concluded from one."
        if difference.low is None or difference.high is None:
            return f"{mean} for all of {difference.n} pairs of seeds: without an interval nothing can be concluded."
        limits = interval(difference.low, difference.high, signed=True).text
        shown = f"{mean}, 95 % interval {limits}, {difference.n} pairs of seeds"
        if difference.low <= 0 <= difference.high:
            missed = percent(difference.detectable).text
            return (
                f"{shown}: the interval holds 0, so no difference is shown; a true one below {missed} is often missed."
            )
        if not self.is_finding:
            return f"{shown}: the interval excludes 0, but after Holm's correction for several tests nothing is shown."
        better = self.a if difference.mean > 0 else self.b
        pvalue = f"p = {self.holm_pvalue:.2g} after Holm's correction"
        return f"{shown}: {better} is more accurate under this protocol ({pvalue}){self.caveat}."


def summary(comparison: Comparison, sweeps: Sequence[SweepRows]) -> tuple[str, ...]:
    """Return the sentences; no claim is made from one pair of seeds, nor where the interval holds 0."""
    places = {group.group: f" ({where})" for where, groups in blocks(comparison) for group in groups}
    has_one_place = len(set(places.values())) == 1

    def subject(group: GroupComparison) -> str:
        place = "" if has_one_place else places[group.group]
        return f"{group.group.method} after {group.group.epochs} search epochs{place}"

    against_searched = [
        _Compared(subject(group), ALLOCATED, SEARCHED, group.difference, group.holm_pvalue)
        for group in comparison.groups
        if group.difference is not None
    ]
    against_random = [
        _Compared(
            subject(group),
            random.skip,
            "random",
            random.difference,
            random.holm_pvalue,
            "" if random.bands_overlap else ", but no network of one is as large as one of the other: size may be why",
        )
        for group in comparison.groups
        for random in group.random_baselines
        if random.difference is not None
    ]
    sentences = [_scope(comparison, sweeps), *_gaps(sweeps)]
    if comparison.groups:
        sentences += _sentences(against_searched, "allocated with searched networks")
        sentences += _sentences(against_random, "methods with random architectures")
    return tuple(sentences)


def _sentences(compared: Sequence[_Compared], what: str) -> list[str]:
    """Return a sentence per difference; of many only those that show one, and how many do not."""
    if not compared:
        return [f"No seed compares {what}: nothing can be said of that."]
    if len(compared) <= _MOST_SENTENCES:
        return [one.sentence for one in compared]
    shown = [one.sentence for one in compared if one.is_finding]
    first = " (the first ones follow)" if len(shown) > _MOST_SENTENCES else ""
    return [
        f"Of {len(compared)} comparisons of {what}, {len(shown)} show a difference after Holm's correction{first}; the "
        "others show none.",
        *shown[:_MOST_SENTENCES],
    ]


def _scope(comparison: Comparison, sweeps: Sequence[SweepRows]) -> str:
    evaluations = {row.evaluation: row for sweep in sweeps for row in sweep.evaluations}.values()
    names = " and ".join(sorted({sweep.sweep for sweep in sweeps if sweep.sweep}))
    of = f" of {'sweep' if len(sweeps) == 1 else 'sweeps'} {names}" if names else ""
    if not evaluations:
        return f"No evaluation{of} is finished yet: there is nothing to compare."
    methods = sorted({row.method for row in evaluations})
    num_searches, num_seeds = len({row.search for row in evaluations}), len({row.seed for row in evaluations})
    places = "; ".join(f"space {where}" for where, _ in blocks(comparison))
    rule = f"; allocated means {comparison.main_rule.label}" if comparison.main_rule else ""
    return (
        f"Compared: {_counted(len(evaluations), 'retrained network')} from {num_searches} search"
        f"{'' if num_searches == 1 else 'es'}{of}; {_counted(len(methods), 'method')} ({', '.join(methods)}), "
        f"{_counted(num_seeds, 'search seed')}; {places}{rule}."
    )


def _gaps(sweeps: Sequence[SweepRows]) -> list[str]:
    unfinished = sum(sweep.unfinished for sweep in sweeps)
    failed = sum(len(sweep.failed) for sweep in sweeps)
    sentences = []
    if unfinished:
        sentences.append(f"Not finished: {_counted(unfinished, 'trial')} begun and still missing; numbers will change.")
    if failed:
        sentences.append(f"Failed: {_counted(failed, 'trial')} ended in an error and in no mean.")
    return sentences


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
