"""DARTS-: a fading auxiliary skip on every edge removes the advantage of the candidate skip."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from aca_ray.methods import darts
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.settings import Bounds
from aca_ray.nn.edges import AuxiliarySkipEdge


def build(*, strength: Annotated[float, Bounds(0.0, 10.0)] = 1.0) -> SearchMethod:
    """Return DARTS- with the initial strength of the auxiliary skips. Source: Chu et al. 2021."""

    def fading(moment: Moment) -> float:
        return strength * (1.0 - moment.progress)

    return replace(
        darts.METHOD,
        name="darts_minus",
        title="DARTS-",
        source="Chu et al. 2021, arXiv 2009.01027, and its official code",
        differs="",
        changes="an auxiliary skip on every edge that fades linearly",
        build_edge=AuxiliarySkipEdge,
        edge_strength=fading,
        draw_valid=None,
    )


METHOD = build()
