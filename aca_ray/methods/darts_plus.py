"""DARTS+: DARTS that stops before the normal cell has two skip connections."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from aca_ray.methods import darts
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.parts.skip_monitor import StopAtSkips
from aca_ray.methods.settings import Bounds

START = 10 / 50


def build(*, skip_limit: Annotated[int, Bounds(1, 8)] = 2) -> SearchMethod:
    """Return DARTS+ with the number of skip connections in the normal cell at which the search ends.

    Source: Liang et al. 2019 (DARTS+), criterion 1: our reading.
    """
    return replace(
        darts.METHOD,
        name="darts_plus",
        title="DARTS+",
        source="Liang et al. 2019, arXiv 1909.06035, no official code",
        differs=(
            "our reading of its first criterion: stops from epoch 10 of 50 on; the result is the architecture of the "
            "last epoch below the limit"
        ),
        changes="stops as soon as the normal cell has 2 skip connections",
        monitor=lambda: StopAtSkips(skip_limit, START),
    )


METHOD = build()
