"""Mixing weights drawn from a Dirichlet distribution."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Dirichlet
from torch.nn import functional

from aca_ray.methods.moment import Moment


def dirichlet_operations(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return a draw, differentiable, of every row from the Dirichlet distribution of concentration elu(alpha) + 1.

    A row sums to 1 over its real candidates; the other entries are 0. Drawing over the candidates that are left of an
    edge is drawing over all and dividing by the sum of those that are left: both are the same distribution.

    Args:
        alpha: (E, O) logits.
        mask: (E, O) which entries stand for a candidate; those of a row stand first.
        moment: not looked at.

    Source: Chen et al. 2021 (DrNAS), section 3.1, and its official code.
    """
    concentration = functional.elu(alpha) + 1.0
    weights = mask.to(alpha.dtype)
    counts = mask.sum(dim=1)
    for count in set(counts.tolist()) - {1}:
        rows = counts == count
        weights[rows, :count] = Dirichlet(concentration[rows, :count], validate_args=False).rsample()
    return weights
