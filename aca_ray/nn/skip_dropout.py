"""Edges whose identity is dropped out in training."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

from aca_ray.nn.edges import FullEdge, Scheduled
from aca_ray.space.candidates import SKIP


class IdentityDropout(Scheduled):
    """The identity, of which in training every element is dropped with a probability: the strength."""

    packs = False

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(x, self.strength, self.training)


def skip_dropout(names: tuple[str, ...], channels: int, stride: int) -> FullEdge:
    """Return a full edge with dropout after its skip connection, where that is an identity.

    Source: Chen et al. 2019 (P-DARTS), section 3.3.
    """
    edge = FullEdge(names, channels, stride)
    if SKIP in names and stride == 1:
        edge.candidates.operations[SKIP] = IdentityDropout()
    return edge
