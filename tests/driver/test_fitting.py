"""The number of searches that fit into memory."""

from __future__ import annotations

import pytest

from aca_ray.driver.fitting import searches_that_fit


@pytest.mark.parametrize(
    ("free", "one", "further", "fit"),
    [
        (1000, 100, 100, 9),  # in the 900 that may be used
        (1000, 100, 50, 17),
        (1000, 100, 51, 16),
        (1000, 900, 100, 1),
        (1000, 800, 100, 2),
        (1000, 801, 100, 1),
        (1000, 950, 10, 1),  # not even one fits
        (0, 10, 10, 1),
        (10**15, 10, 10, 9 * 10**13),
    ],
)
def test_as_many_as_fit_and_at_least_one(free: int, one: int, further: int, fit: int) -> None:
    assert searches_that_fit(free, one, further) == fit


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0])
def test_no_more_would_fit(share: float) -> None:
    for free in range(0, 3000, 7):
        fit = searches_that_fit(free, 130, 70, share)
        assert fit == 1 or 130 + 70 * (fit - 1) <= share * free
        assert 130 + 70 * fit > share * free
