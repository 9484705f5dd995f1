"""R-DARTS (L2): second-order DARTS with stronger weight decay."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from aca_ray.methods import darts_second_order
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.settings import Bounds


def build(*, weight_decay: Annotated[float, Bounds(3e-4, 243e-4)] = 27e-4) -> SearchMethod:
    """Return R-DARTS (L2) with the weight decay of SGD.

    The paper searches with 3, 9, 27 and 81e-4 and keeps the architecture that is best after a short retraining, which
    a sweep over the setting repeats.

    Source: Zela et al. 2020 (RobustDARTS), and its official code.
    """
    return replace(
        darts_second_order.METHOD,
        name="r_darts_l2",
        title="R-DARTS (L2)",
        source="Zela et al. 2020, arXiv 1909.09656, and its official code",
        differs="one search instead of the paper's best of four (weight decay 3, 9, 27, 81e-4)",
        changes="second-order gradient, 9 times the weight decay",
        recipe=Recipe(weight_decay=weight_decay),
    )


METHOD = build()
