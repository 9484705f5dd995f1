"""Partial-channel edges whose passing channels come from a ranking."""

from __future__ import annotations

import torch
from torch import Tensor

from aca_ray.nn.edges.partial import candidates_and_bypass
from aca_ray.nn.edges.search_edge import EdgeBuilder, Mix, SearchEdge


class RankedPartialEdge(SearchEdge):
    """A partial-channel edge that stores the passing channels in a buffer, initially the first C/k.

    Every channel keeps its position in the output, whichever channels pass.

    Attributes:
        passing: (C/k,) channels that pass through the candidates, ascending.

    Source: Xu et al. 2020 (PC-DARTS), section 3.2; channels other than the first: ours.
    """

    passing: Tensor

    def __init__(self, names: tuple[str, ...], channels: int, stride: int, share: int) -> None:
        super().__init__()
        self.groups = share
        self.candidates, self.bypass = candidates_and_bypass(names, channels, stride, share)
        self.register_buffer("passing", torch.arange(channels // share))

    def around(self, x: Tensor, mix: Mix) -> Tensor:
        mixed = mix(x.index_select(1, self.passing))
        bypassed = self.bypass(x)
        return bypassed.index_copy(1, self.passing, mixed.to(bypassed.dtype))  # reduced precision: mixed may be float32


def ranked_partial_channels(share: int) -> EdgeBuilder:
    """Return a builder of edges in which one channel in `share`, chosen by a ranking, passes through the candidates."""
    return lambda names, channels, stride: RankedPartialEdge(names, channels, stride, share)
