"""Findings: one plain sentence per difference.

Source: Lindauer & Hutter 2020: neither an interval that contains 0 nor a single seed is a finding. The wording is ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from aca_ray.comparison import (
    ALLOCATED,
    SEARCHED,
    SKIP_FREE,
    Comparison,
    Group,
    GroupComparison,
    PairedDifference,
    by_advantage,
)
from aca_ray.report.accuracy_tables import blocks
from aca_ray.report.formats import interval, percent, pvalue, signed_percent

SIGNIFICANCE = 0.05
_MOST_SENTENCES = 6


class _Question(NamedTuple):
    """The question that one kind of difference a - b answers.

    Attributes:
        answer: sentence for a significant difference, with `{better}` for the direction.
        a, b: both sides of the comparison, in words.
    """

    answer: str
    a: str
    b: str


_QUESTIONS = {
    (SKIP_FREE, SEARCHED): _Question(
        "Cells without skip connections are {better} than cells with them",
        "cells without skip connections",
        "cells with them",
    ),
    (ALLOCATED, SEARCHED): _Question(
        "Networks with allocated channels are {better} than networks of the plain search",
        "networks with allocated channels",
        "networks of the plain search",
    ),
    (ALLOCATED, SKIP_FREE): _Question(
        "Networks with allocated channels are {better} than the same cells without refilling",
        "networks with allocated channels",
        "the same cells without refilling",
    ),
}


def _random_question(networks: str) -> _Question:
    answer = f"{networks.capitalize()} networks are {{better}} than random architectures"
    return _Question(answer, f"{networks} networks", "random architectures")


@dataclass(frozen=True)
class _Finding:
    """One difference a - b, with its question and its place."""

    question: _Question
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
        question, difference = self.question, self.difference
        compared, points = f"{question.a} and {question.b}", f"{signed_percent(difference.mean).text} points"
        if difference.n == 1:
            return f"One pair is not enough to compare {compared} {self.where}: {points}, n = 1 pair."
        if difference.low is None or difference.high is None:
            return (
                f"No interval, hence no conclusion, for {compared} {self.where}: {points} in each of n = "
                f"{difference.n} pairs."
            )
        limits = interval(difference.low, difference.high, signed=True).text
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
        return f"{question.answer.format(better='better' if difference.mean > 0 else 'worse')} {shown}"


def findings(comparison: Comparison) -> tuple[str, ...]:
    """Return the sentences in the order of the questions; of many differences, only the significant ones."""
    return tuple(sentence for what, found in _by_question(comparison) if found for sentence in _sentences(found, what))


def not_compared(comparison: Comparison) -> tuple[str, ...]:
    """Return the questions, in words, that no difference answers."""
    return tuple(what for what, found in _by_question(comparison) if not found)


def what_allocated_means(comparison: Comparison) -> str:
    """Return the main pair in words; if evaluation protocols have different main pairs, each with its protocol."""
    meanings = {group.group.evaluated: group.pair.label for group in comparison.groups if group.pair}
    if not meanings:
        return comparison.main_pair.label if comparison.main_pair else "nothing"
    if len(set(meanings.values())) == 1:
        return next(iter(meanings.values()))
    return " and ".join(f"{label} ({evaluated})" for evaluated, label in meanings.items())


def _by_question(comparison: Comparison) -> Iterator[tuple[str, list[_Finding]]]:
    """Yield every question in words with the differences that answer it."""
    where = {group.group: _where(group, place) for place, groups in blocks(comparison) for group in groups}
    for index, ((main, baseline), question) in enumerate(_QUESTIONS.items()):
        compared = [(group.group, group.differences[index]) for group in comparison.groups]
        found = [
            _Finding(question, where[group], one.difference, one.holm_pvalue)
            for group, one in compared
            if one.difference is not None
        ]
        yield f"{main} with {baseline} networks", found
    caveat = "; the parameter ranges do not overlap, so network size may explain the difference"
    yield (
        "methods with random architectures",
        [
            _Finding(
                _random_question(one.networks),
                where[group.group],
                one.difference,
                one.holm_pvalue,
                "" if one.bands_overlap else caveat,
            )
            for group in comparison.groups
            for one in group.random_baselines
            if one.difference is not None
        ],
    )


def _where(group: GroupComparison, place: str) -> str:
    return f"({group.group.method}, {group.group.epochs} search epochs, {place})"


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


def pair_findings(comparison: Comparison) -> tuple[str, ...]:
    """Return one sentence per place with several pairs: the pair with the largest mean advantage over its control."""
    whole = [one for one in comparison.pair_comparisons if one.method is None]
    best: dict[str, tuple[int, str]] = {}
    for one in by_advantage(whole):
        place = f"({Group(one.space, one.data, one.setting, one.protocol, '', 0).place})"
        number, sentence = best.get(place, (0, ""))
        if one.difference is not None and not sentence:
            question = _Question(
                f"Networks allocated by {one.pair.label} are {{better}} than networks of the control {one.baseline}",
                f"networks allocated by {one.pair.label}",
                f"networks of the control {one.baseline}",
            )
            sentence = _Finding(question, place, one.difference, one.holm_pvalue).sentence
        best[place] = (number + 1, sentence)
    return tuple(
        f"{sentence} This is the largest mean advantage of {number} pairs."
        for number, sentence in best.values()
        if number > 1 and sentence
    )


def _pvalue(value: float | None) -> str:
    text = pvalue(value).text
    return text if text.startswith("<") else f"= {text}"
