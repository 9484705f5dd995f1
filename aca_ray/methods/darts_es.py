"""DARTS-ES: second-order DARTS that stops before the validation loss gets sharp."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from aca_ray.methods import darts_second_order
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.parts.curvature_monitors import RISE, StopBeforeRise
from aca_ray.methods.settings import Bounds


def build(*, factor: Annotated[float, Bounds(1.0, 10.0)] = RISE) -> SearchMethod:
    """Return DARTS-ES with the factor by which the mean curvature must grow within 4 measurements to end the search.

    Source: Zela et al. 2020 (RobustDARTS), and its official code.
    """
    return replace(
        darts_second_order.METHOD,
        name="darts_es",
        title="DARTS-ES",
        source="Zela et al. 2020, arXiv 1909.09656, and its official code",
        differs="",
        changes="second-order gradient; stops before the validation loss gets sharp in the architecture",
        monitor=lambda: StopBeforeRise(factor),
    )


METHOD = build()
