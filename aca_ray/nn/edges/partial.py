"""Edges in which only some channels pass through the candidates."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aca_ray.nn.edges.candidates import CandidateSum
from aca_ray.nn.edges.search_edge import EdgeBuilder, Mix, SearchEdge


class PartialChannelEdge(SearchEdge):
    """The first C/k channels pass through the candidates, the others bypass them; the node shuffles all of them.

    The bypass is the identity at stride 1 and a 2x2 max pooling at stride 2. The first channels always pass:
    the shuffle, not a draw, rotates them.

    Source: Xu et al. 2020 (PC-DARTS), section 3.2, and its official code.
    """

    def __init__(self, names: tuple[str, ...], channels: int, stride: int, share: int) -> None:
        super().__init__()
        self.groups = share
        self.candidates, self.bypass = candidates_and_bypass(names, channels, stride, share)

    def around(self, x: Tensor, mix: Mix) -> Tensor:
        passing = self.candidates.channels
        return torch.cat((mix(x[:, :passing]), self.bypass(x[:, passing:])), dim=1)


def candidates_and_bypass(
    names: tuple[str, ...], channels: int, stride: int, share: int
) -> tuple[CandidateSum, nn.Module]:
    """Return the candidates for one channel in `share` and the bypass for the other channels."""
    if channels % share:
        raise ValueError(f"partial channels: {channels} channels must be divisible by {share}")
    return CandidateSum(names, channels // share, stride), nn.Identity() if stride == 1 else nn.MaxPool2d(2, 2)


def partial_channels(share: int) -> EdgeBuilder:
    """Return a builder of edges in which one channel in `share` passes through the candidates."""
    return lambda names, channels, stride: PartialChannelEdge(names, channels, stride, share)
