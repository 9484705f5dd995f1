"""Reasons why a method is not defined on a space.

A reason ends the sentence "the space ...".
"""

from __future__ import annotations

from collections.abc import Callable

from aca_ray.space.spaces import Space

Refusal = Callable[[Space], str | None]


def no_space(space: Space) -> str | None:
    """Refuse no space."""
    return None


def cells_of_one_input(space: Space) -> str | None:
    """Refuse cells of one input, for methods whose paper and official code have cells of two inputs only."""
    return (
        "has cells of one input; the method is published for cells of two" if space.topology.num_inputs == 1 else None
    )


def first_reason(*refusals: Refusal) -> Refusal:
    """Refuse what any of the refusals refuses, for the first one's reason."""
    return lambda space: next(filter(None, (refuse(space) for refuse in refusals)), None)
