"""SDARTS-RS: the weights are trained under random noise on the mixing weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from aca_ray.methods import darts
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.parts.perturbation import growing_radius, random_neighbor
from aca_ray.methods.settings import Bounds


def build(*, noise_max: Annotated[float, Bounds(0.03, 1.0)] = 0.3) -> SearchMethod:
    """Return SDARTS-RS with the radius that the perturbations grow to. Source: Chen & Hsieh 2020."""
    return replace(
        darts.METHOD,
        name="sdarts_rs",
        title="SDARTS-RS",
        source="Chen & Hsieh 2020, arXiv 2002.05283, and its official code",
        differs=(
            "the cosine learning rate starts at epoch 0 (one epoch ahead in the official code with PyTorch 1.1 and "
            "later)"
        ),
        changes="weight steps see randomly perturbed mixing weights",
        weight_mixing=random_neighbor(growing_radius(noise_max)),
    )


METHOD = build()
