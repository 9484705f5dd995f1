"""Mixing weights from logits."""

from __future__ import annotations

import torch
from torch import Tensor

from aca_ray.methods.moment import Moment
from aca_ray.space.topology import Topology


def softmax_operations(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return the softmax of every row over its real candidates; the other entries are 0.

    Args:
        alpha: (E, O) logits.
        mask: (E, O) True for real candidates.
        moment: not used.

    Source: Liu et al. 2019 (DARTS), equation 2.
    """
    return masked_softmax(alpha, mask)


def masked_softmax(logits: Tensor, mask: Tensor) -> Tensor:
    """Return the (E, O) softmax of every row over the entries where the mask is True, 0 elsewhere."""
    return torch.softmax(logits.masked_fill(~mask, -torch.inf), dim=1)


def softmax_incoming_edges(beta: Tensor, topology: Topology) -> Tensor:
    """Return (E,) weights, a softmax of the logits over the edges that enter the same node.

    Source: Xu et al. 2020 (PC-DARTS), equation 4.
    """
    groups = [beta[list(topology.incoming(node))].softmax(dim=0) for node in topology.intermediate_nodes]
    return torch.cat(groups)  # edges are node-major
