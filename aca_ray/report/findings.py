"""Findings: one plain sentence per difference.

Source: Lindauer & Hutter 2020: neither an interval that contains 0 nor a single seed is a finding.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter

from aca_ray.comparison import ALLOCATED, SEARCHED, SKIP_FREE, Comparison
from aca_ray.comparison.arms import Arm
from aca_ray.comparison.grouping import grouped
from aca_ray.comparison.groups import ArmComparison
from aca_ray.comparison.pairs import by_advantage
from aca_ray.comparison.statistics import PairedDifference
from aca_ray.report.formats import percent, pvalue, signed_interval, signed_percent
from aca_ray.report.places import place_labels

SIGNIFICANCE = 0.05
_MOST_SENTENCES = 6
# Both sides of every kind of difference, in words.
_SIDES = {
    (SKIP_FREE, SEARCHED): ("cells searched without skip connections", "cells of the plain search"),
    (ALLOCATED, SEARCHED): ("networks with allocated channels", "networks of the plain search"),
    (ALLOCATED, SKIP_FREE): ("networks with allocated channels", "the same cells without refilling"),
}
_SIZE_CAVEAT = "; the parameter ranges do not overlap, so network size may explain the difference"


@dataclass(frozen=True)
class _Finding:
    """One difference a - b.

    Attributes:
        a, b: both sides, in words.
        where: its place, in words.
        difference: the difference.
        holm_pvalue: its p-value, adjusted within its family.
        caveat: end of the sentence of a significant difference.
    """

    a: str
    b: str
    where: str
    difference: PairedDifference
    holm_pvalue: float | None
    caveat: str = ""

    @property
    def is_shown(self) -> bool:
        """Whether the difference is significant: the interval excludes 0 and Holm's p-value is below 0.05."""
        low, high = self.difference.low, self.difference.high
        excludes_zero = low is not None and high is not None and not low <= 0 <= high
        return excludes_zero and self.holm_pvalue is not None and self.holm_pvalue < SIGNIFICANCE

    @property
    def sentence(self) -> str:
        """The finding as a sentence."""
        difference = self.difference
        compared, points = f"{self.a} and {self.b}", f"{signed_percent(difference.mean).text} points"
        if difference.n == 1:
            return f"One pair is not enough to compare {compared} {self.where}: {points}, n = 1 pair."
        if difference.low is None or difference.high is None:
            return (
                f"No interval, hence no conclusion, for {compared} {self.where}: {points} in each of n = "
                f"{difference.n} pairs."
            )
        limits = signed_interval((difference.low, difference.high)).text
        test = f"n = {difference.n} pairs, Holm-adjusted p {_pvalue(self.holm_pvalue)}"
        if difference.low <= 0 <= difference.high:
            missed = percent(difference.detectable).text
            return (
                f"No significant difference between {compared} {self.where}: {points} (the 95 % interval {limits} "
                f"contains 0), {test}; differences below {missed} points would often go undetected."
            )
        shown = f"{self.where}: {points} (95 % interval {limits}), {test}{self.caveat}."
        if not self.is_shown:
            return f"No significant difference after Holm's correction between {compared} {shown}"
        return (
            f"{self.a[0].upper()}{self.a[1:]} are {'better' if difference.mean > 0 else 'worse'} than {self.b} {shown}"
        )


def findings(comparison: Comparison) -> tuple[str, ...]:
    """Return the sentences in the order of the questions; of many differences, only the significant ones."""
    return tuple(sentence for what, found in _by_question(comparison) if found for sentence in _sentences(found, what))


def not_compared(comparison: Comparison) -> tuple[str, ...]:
    """Return the questions, in words, that no difference answers."""
    return tuple(what for what, found in _by_question(comparison) if not found)


def what_allocated_means(comparison: Comparison) -> str:
    """Return the main pair in words; if protocols have different main pairs, each with its protocol."""
    meanings = {group.group.place.measured_by: group.pair.label for group in comparison.groups if group.pair}
    if not meanings:
        return comparison.main_pair.label if comparison.main_pair else "nothing"
    if len(set(meanings.values())) == 1:
        return next(iter(meanings.values()))
    return " and ".join(f"{label} ({measured_by})" for measured_by, label in meanings.items())


def _by_question(comparison: Comparison) -> Iterator[tuple[str, list[_Finding]]]:
    """Yield every question in words with the differences that answer it."""
    labels = place_labels(comparison)

    def finding(a: str, b: str, one: ArmComparison, caveat: str = "") -> Iterator[_Finding]:
        where = f"({one.group.method}, {one.group.epochs} search epochs, {labels[one.group.place]})"
        if one.difference is not None:
            caveat += "".join(map(_sharing_caveat, (a, b), (one.main_arm, one.baseline_arm)))
            yield _Finding(a, b, where, one.difference, one.holm_pvalue, caveat)

    for (main, baseline), sides in _SIDES.items():
        compared = (group.difference(main, baseline) for group in comparison.groups)
        yield f"{main} with {baseline} networks", [found for one in compared for found in finding(*sides, one)]
    random = chain.from_iterable(group.random_baselines for group in comparison.groups)
    yield (
        "methods with random architectures",
        [
            found
            for one in random
            for found in finding(
                f"{one.main} networks", "random architectures", one, "" if one.bands_overlap else _SIZE_CAVEAT
            )
        ],
    )


def _sharing_caveat(side: str, arm: Arm | None) -> str:
    """Return the caveat for a side whose searches found equal networks, which were trained once."""
    if arm is None or arm.num_trainings == arm.num_networks:
        return ""
    return (
        f"; the {arm.num_networks} {side} share {arm.num_trainings} training{'s' if arm.num_trainings > 1 else ''}, "
        "whose noise the test leaves out"
    )


def _sentences(found: Sequence[_Finding], what: str) -> list[str]:
    """Return one sentence per difference; for many, the number of significant ones and a sentence for each of them."""
    if len(found) <= _MOST_SENTENCES:
        return [one.sentence for one in found]
    shown = [one.sentence for one in found if one.is_shown]
    first = f"; the first {_MOST_SENTENCES} follow" if len(shown) > _MOST_SENTENCES else ""
    return [
        f"Significant after Holm's correction: {len(shown)} of {len(found)} comparisons of {what}{first}.",
        *shown[:_MOST_SENTENCES],
    ]


def pair_findings(comparison: Comparison) -> Iterator[str]:
    """Yield one sentence per place with several pairs: the pair with the largest mean advantage over its control."""
    whole = by_advantage(one for one in comparison.pair_comparisons if one.method is None)
    labels = place_labels(comparison)
    for place, pairs in grouped(whole, attrgetter("place")).items():
        best = next((one for one in pairs if one.difference is not None), None)
        if best is not None and best.difference is not None and len(pairs) > 1:
            a, b = f"networks allocated by {best.pair.label}", f"networks of the control {best.baseline}"
            found = _Finding(a, b, f"({labels[place]})", best.difference, best.holm_pvalue)
            yield f"{found.sentence} This is the largest mean advantage of {len(pairs)} pairs."


def _pvalue(value: float | None) -> str:
    text = pvalue(value).text
    return text if text.startswith("<") else f"= {text}"
