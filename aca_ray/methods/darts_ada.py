"""DARTS-ADA: second-order DARTS that rolls back and raises the weight decay when the validation loss gets sharp."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from aca_ray.methods import darts_second_order
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.parts.curvature_monitors import RISE, GoBackBeforeRise
from aca_ray.methods.settings import Bounds

WEIGHT_DECAYS = (3e-3, 3e-2)  # official code: 10 times the previous one, at most 0.03


def build(*, factor: Annotated[float, Bounds(1.0, 10.0)] = RISE) -> SearchMethod:
    """Return DARTS-ADA with the factor by which the mean curvature must grow within 4 measurements to roll back.

    Source: Zela et al. 2020 (RobustDARTS), and its official code.
    """
    return replace(
        darts_second_order.METHOD,
        name="darts_ada",
        title="DARTS-ADA",
        source="Zela et al. 2020, arXiv 1909.09656, and its official code",
        differs="",
        changes="second-order gradient; rolls back and raises the weight decay when the validation loss gets sharp",
        monitor=lambda: GoBackBeforeRise(WEIGHT_DECAYS, factor),
    )


METHOD = build()
