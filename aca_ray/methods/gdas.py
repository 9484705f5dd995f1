"""GDAS: every forward pass draws one operation per edge."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from aca_ray.methods.core import SearchMethod, attached_mixing
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.arch_gradient import first_order
from aca_ray.methods.parts.derivation import top_two_pairs
from aca_ray.methods.parts.relaxation import masked_softmax, softmax_operations
from aca_ray.methods.parts.sampling import independent_images
from aca_ray.methods.parts.schedule import linear
from aca_ray.methods.recipe import Recipe
from aca_ray.nn.edges import SampledEdge, SampledEdgeWithScalars
from aca_ray.nn.skeleton import norm_relu

FIRST_TEMPERATURE, LAST_TEMPERATURE = 10.0, 0.1  # official code


def temperature(moment: Moment) -> float:
    """Return the softmax temperature, linear from 10 to 0.1 over the epochs.

    Source: Dong & Yang 2019 (GDAS), official code.
    """
    return linear(FIRST_TEMPERATURE, LAST_TEMPERATURE, moment)


def hard_gumbel_softmax(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return one drawn candidate per edge: exactly one-hot rows with the gradient of the relaxed draw.

    An exponential variate of 0 is replaced by the smallest normal number; the official code repeats the whole draw.

    Args:
        alpha: (E, O) logits.
        mask: (E, O) True for real candidates; the other entries of the result are 0.
        moment: determines the temperature.

    Source: Dong & Yang 2019 (GDAS), and its official code.
    """
    gumbel = -torch.empty_like(alpha).exponential_().clamp_min(torch.finfo(alpha.dtype).tiny).log()
    relaxed = masked_softmax((alpha + gumbel) / temperature(moment), mask)
    drawn = torch.zeros_like(relaxed).scatter(1, relaxed.argmax(dim=1, keepdim=True), 1.0)
    return drawn + (relaxed - relaxed.detach())  # the difference is exactly 0, so the rows stay one-hot


def on_one_input(method: SearchMethod) -> SearchMethod:
    """Return GDAS for NAS-Bench-201: batches of 64, and a gradient for candidates that were not drawn.

    Source: Dong & Yang 2020 (NAS-Bench-201), official code.
    """
    return replace(method, build_edge=SampledEdgeWithScalars, recipe=replace(method.recipe, batch_size=64))


METHOD = SearchMethod(
    name="gdas",
    title="GDAS",
    source="Dong & Yang 2019, arXiv 1910.04465, and its official code (AutoDL-Projects; its N = 2 is 6 cells)",
    differs=(
        "batches of search_valid are always full; on nasbench201, batch norms keep running statistics (none in the "
        "official code)"
    ),
    changes="draws one operation per edge by a hard Gumbel softmax; updates the weights before the architecture",
    relax_operations=hard_gumbel_softmax,
    settle_operations=softmax_operations,
    build_edge=SampledEdge,
    build_head=norm_relu,
    draw_valid=independent_images,
    weight_mixing=attached_mixing,
    arch_gradient=first_order,
    derive=top_two_pairs,
    updates=("weights", "architecture"),
    recipe=Recipe(batch_size=256, nesterov=True, weight_decay=5e-4),
    one_input=on_one_input,
)
