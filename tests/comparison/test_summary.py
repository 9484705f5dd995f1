"""What is claimed, and what is not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from aca_ray.comparison import Comparison, EvaluationRow, FailedTrial, SweepRows, compare
from aca_ray.report.summary import summary

Build = Callable[..., EvaluationRow]
MAIN = ("taylor_identity", "sign")


@pytest.fixture
def sentences(evaluation_row: Build) -> Callable[..., str]:
    """Return the summary of one method with a searched and an allocated accuracy per seed."""

    def build(searched: list[float], allocated: list[float], **more: object) -> str:
        evaluations = [evaluation_row(accuracy, seed=seed) for seed, accuracy in enumerate(searched)]
        evaluations += [evaluation_row(accuracy, MAIN, seed=seed) for seed, accuracy in enumerate(allocated)]
        rows = SweepRows(evaluations=tuple(evaluations), sweep="toy", **more)  # type: ignore[arg-type]
        return "\n".join(summary(compare(rows, "sign"), [rows]))

    return build


def test_a_difference_that_holds_is_claimed_with_its_interval(sentences: Callable[..., str]) -> None:
    text = sentences([0.80, 0.81, 0.80, 0.79], [0.85, 0.87, 0.85, 0.85])
    assert "darts after 8 search epochs: allocated - searched is +5.50 percentage points, 95 % interval [+" in text
    assert "allocated is more accurate under this protocol (p = " in text
    assert "4 search seeds" in text
    assert "No seed compares methods with random architectures" in text


def test_an_interval_that_holds_zero_claims_nothing(sentences: Callable[..., str]) -> None:
    text = sentences([0.80, 0.84], [0.85, 0.83])
    assert "the interval holds 0, so no difference is shown" in text
    assert "more accurate" not in text


def test_one_seed_claims_nothing(sentences: Callable[..., str]) -> None:
    text = sentences([0.5], [0.9])
    assert "for the one pair of seeds: nothing can be concluded from one." in text
    assert "interval" not in text
    assert "more accurate" not in text


def test_equal_differences_claim_nothing(sentences: Callable[..., str]) -> None:
    text = sentences([0.5, 0.6], [0.6, 0.7])
    assert "without an interval nothing can be concluded" in text


def test_what_is_missing_is_said(sentences: Callable[..., str]) -> None:
    failed = FailedTrial("search", {"method": "darts"}, "ValueError: no")
    text = sentences([0.5], [], unfinished=3, failed=(failed,))
    assert "Not finished: 3 trials begun" in text
    assert "Failed: 1 trial ended in an error" in text
    assert "No seed compares allocated with searched networks" in text


def test_nothing_is_said_of_nothing() -> None:
    assert summary(Comparison(None, "sign", (), ()), [SweepRows(sweep="toy")]) == (
        "No evaluation of sweep toy is finished yet: there is nothing to compare.",
    )


def test_of_many_comparisons_only_findings_are_listed(evaluation_row: Build) -> None:
    evaluations = [
        evaluation_row(base + 0.001 * seed * sign**seed, rule, seed=seed, method=f"m{index}")
        for index in range(12)
        for base, sign, rule in ((0.5, 1, None), (0.9 if index == 3 else 0.5, -1, MAIN))
        for seed in range(4)
    ]
    rows = SweepRows(evaluations=tuple(evaluations))
    sentences = summary(compare(rows, "sign"), [rows])
    assert "Of 12 comparisons of allocated with searched networks, 1 show a difference" in sentences[1]
    assert sentences[2].startswith("m3 after")


def test_random_architectures_and_size(evaluation_row: Build) -> None:
    noise = [0.0, 0.01, -0.01, 0.005]
    rows = SweepRows(
        evaluations=tuple(
            evaluation_row(base + slope * noise[seed], seed=seed, method=method, parameters=parameters)
            for method, base, slope, parameters in (("darts", 0.9, 1.0, 10), ("random_search", 0.5, -1.0, 99))
            for seed in range(4)
        )
    )
    text = "\n".join(summary(compare(rows, "sign"), [rows]))
    assert "searched is more accurate under this protocol" in text
    assert "size may be why" in text
