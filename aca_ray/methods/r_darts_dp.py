"""R-DARTS (DP): second-order DARTS with cutout and drop path that grows from epoch to epoch."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from aca_ray.methods import darts_second_order
from aca_ray.methods.core import SearchMethod, never
from aca_ray.methods.moment import Moment
from aca_ray.methods.settings import Bounds
from aca_ray.nn.edges import DropPathEdge


def ramp(moment: Moment) -> float:
    """Return 0 in the first epoch, 1 in the last, linear between them.

    Source: Zela et al. 2020 (RobustDARTS), official code.
    """
    return moment.ramp


def always(moment: Moment) -> float:
    """Return 1."""
    return 1.0


def build(
    *,
    drop_path: Annotated[float, Bounds(0.0, 0.9)] = 0.4,
    growing_cutout: Annotated[int, Bounds(0, 1)] = 0,
) -> SearchMethod:
    """Return R-DARTS (DP) with the drop-path probability of the last epoch; 0 also disables cutout.

    The paper searches with 0, 0.2, 0.4 and 0.6 and keeps the architecture that is best after a short retraining, which
    a sweep over the setting repeats. In the paper, the probability of cutout grows from 0 to 1 like that of drop path.
    The official code sets an attribute that its cutout never reads, so every image is cut out from the first epoch.
    The default follows the code, `growing_cutout: 1` the paper.

    Source: Zela et al. 2020 (RobustDARTS), and its official code.
    """
    return replace(
        darts_second_order.METHOD,
        name="r_darts_dp",
        title="R-DARTS (DP)",
        source="Zela et al. 2020, arXiv 1909.09656, and its official code",
        differs=(
            "one search instead of the paper's best of four (drop path 0, 0.2, 0.4, 0.6); cutout does not grow, as in "
            "the code but not the paper (`growing_cutout: 1` follows the paper)"
        ),
        changes="second-order gradient, drop path on the edges that grows every epoch, cutout of every image",
        build_edge=DropPathEdge,
        edge_strength=lambda moment: drop_path * ramp(moment),
        cutout=never if not drop_path else ramp if growing_cutout else always,
    )


METHOD = build()
