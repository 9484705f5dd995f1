"""A search method outside of the package: DARTS with a temperature in the softmax over candidates."""

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

from torch import Tensor

from aca_ray.methods import darts
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.relaxation import masked_softmax
from aca_ray.methods.settings import Bounds


def tempered_softmax(temperature: float) -> Callable[[Tensor, Tensor, Moment], Tensor]:
    return lambda alpha, mask, moment: masked_softmax(alpha / temperature, mask)


def build(*, temperature: Annotated[float, Bounds(0.1, 10.0)] = 2.0) -> SearchMethod:
    return replace(
        darts.METHOD,
        name="tempered_darts",
        title="tempered DARTS",
        source="an example",
        changes=f"a temperature of {temperature:g}",
        relax_operations=tempered_softmax(temperature),
    )


METHOD = build()
