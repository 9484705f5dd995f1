"""DARTS with the unrolled (second-order) gradient."""

from __future__ import annotations

from dataclasses import replace

from aca_ray.methods import darts
from aca_ray.methods.parts.arch_gradient import unrolled

METHOD = replace(
    darts.METHOD,
    name="darts_second_order",
    title="DARTS (2nd order)",
    changes="the architecture gradient looks one weight step ahead",
    arch_gradient=unrolled,
)
