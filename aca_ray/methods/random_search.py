"""Random search: an architecture drawn uniformly and never updated."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from aca_ray.methods import darts
from aca_ray.methods.moment import Moment
from aca_ray.methods.recipe import Recipe


def uniform_operations(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return the same (E, O) weight for every real candidate of an edge, 0 for other entries.

    Source: ours.
    """
    return mask / mask.sum(dim=1, keepdim=True).to(alpha)


def equal_chances(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return (E, O) weights whose maximum is uniform in [0, 1] on every edge, for standard normal logits.

    The weights of an edge with k candidates are the k-th powers of the normal distribution function, so edges with few
    and with many candidates win equally often. A softmax would favor those with few, and tie if all have one.

    Source: ours.
    """
    return torch.special.ndtr(alpha) ** mask.sum(dim=1, keepdim=True) * mask


METHOD = replace(
    darts.METHOD,
    name="random_search",
    title="Random search",
    source="Li & Talwalkar 2019, arXiv 1902.07638",
    differs=(
        "our reading: one architecture per seed, uniform over pairs of edges and their operations; the supernet is "
        "trained with equal mixing weights, for ranking channels"
    ),
    changes="an architecture drawn uniformly and never updated; weights trained with equal mixing weights",
    relax_operations=uniform_operations,
    settle_operations=equal_chances,
    initial_std=1.0,
    recipe=Recipe(arch_start=1.0),
)
