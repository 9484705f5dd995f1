"""Mixing weights drawn from a Dirichlet distribution."""

from __future__ import annotations

from torch import Tensor
from torch.distributions import Dirichlet
from torch.nn import functional

from aca_ray.methods.moment import Moment


def dirichlet_operations(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return a differentiable draw of every row from the Dirichlet distribution of concentration elu(alpha) + 1.

    A row sums to 1 over its real candidates; the other entries are 0. Drawing over the remaining candidates of an edge
    has the same distribution as drawing over all and renormalizing over the remaining ones.

    Args:
        alpha: (E, O) logits.
        mask: (E, O) True for real candidates, which come first in a row.
        moment: not used.

    Source: Chen et al. 2021 (DrNAS), section 3.1, and its official code.
    """
    concentration = functional.elu(alpha) + 1.0
    weights = mask.to(alpha.dtype)
    counts = mask.sum(dim=1)
    for count in set(counts.tolist()) - {1}:
        rows = counts == count
        weights[rows, :count] = Dirichlet(concentration[rows, :count], validate_args=False).rsample()
    return weights
