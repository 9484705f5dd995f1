"""Numbers of kept channels, on hand-made scores."""

from __future__ import annotations

import pytest
import torch

from aca_ray.channels import counts


@pytest.mark.parametrize(
    ("scores", "kept"),
    [((1.0, -1.0, 0.0, 1e-300), 2), ((-1.0, -2.0), 0), ((0.5, 0.1, 0.2), 3)],
)
def test_sign_counts_positive_scores(scores, kept) -> None:
    assert counts.sign(scores, 0.5) == kept


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ((0.3,) * 7, 7),
        ((1.0, 1e-9, 1e-9, 1e-9), 1),
        ((0.0, -1.0, -2.0), 0),
        ((2.0, 1.0, -50.0), 2),  # 9 / 5
        ((3e-200, 3e-200, 1e-205), 2),
        ((5.0,), 1),
    ],
)
def test_participation_is_the_effective_number(scores, kept) -> None:
    assert counts.participation(scores) == kept


@pytest.mark.parametrize(("strength", "kept"), [(0.0, 0), (1.0, 8), (0.3, 2), (0.45, 4)])
def test_strength_is_proportional(strength, kept) -> None:
    assert counts.proportional_to_strength((0.0,) * 8, strength) == kept


@pytest.mark.parametrize("seed", range(20))
def test_otsu_has_the_largest_variance_between_the_sides(seed) -> None:
    scores = torch.randn(9, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scores[3] = scores[5]

    def variance_between(threshold: float) -> float:
        sides = [scores[scores > threshold], scores[scores <= threshold]]
        return sum(len(side) / 9 * float((side.mean() - scores.mean()) ** 2) for side in sides)

    best = max(sorted(scores.tolist())[:-1], key=variance_between)
    assert counts.otsu(scores.tolist(), 0.5) == int((scores > best).sum())


def test_otsu_keeps_all_without_a_split_and_else_the_larger_side() -> None:
    assert counts.otsu((0.2, 0.2, 0.2), 0.5) == 3
    assert counts.otsu((0.7,), 0.5) == 1
    assert counts.otsu((0.0, 1.0, 2.0), 0.5) == 2  # two equally good splits
    assert counts.otsu((10.0, 9.0, 0.0, 0.1, 0.2), 0.5) == 2


def test_all_keeps_all() -> None:
    assert counts.keep_all((-1.0, -2.0), 0.0) == 2
