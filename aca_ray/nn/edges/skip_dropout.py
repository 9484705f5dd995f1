"""Edges with dropout on their identity in training."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from aca_ray.nn.edges.full import FullEdge
from aca_ray.nn.edges.search_edge import Scheduled
from aca_ray.space.candidates import SKIP


class IdentityDropout(Scheduled):
    """An identity with dropout in training; the strength is the drop probability of every element."""

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.strength, self.training)


def skip_dropout(names: tuple[str, ...], channels: int, stride: int) -> FullEdge:
    """Return a full edge with dropout after its skip connection if that is an identity (stride 1).

    Source: Chen et al. 2019 (P-DARTS), section 3.3.
    """
    edge = FullEdge(names, channels, stride)
    if SKIP in names and stride == 1:
        edge.candidates.operations[SKIP] = IdentityDropout()
    return edge
