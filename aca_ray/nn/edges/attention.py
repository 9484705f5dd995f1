"""Edges whose own attention decides which channels pass through the candidates."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aca_ray.nn.edges.partial import candidates_and_bypass
from aca_ray.nn.edges.search_edge import EdgeBuilder, Mix, SearchEdge

HIDDEN_SHARE = 2  # official code; its ratio argument is not read
DEMAND_MOMENTUM = 0.1  # ours: that of batch norms


class ChannelAttention(nn.Module):
    """Weighs the channels of an image by their mean and their maximum, each through the same small network.

    Source: Woo et al. 2018 (CBAM); sizes from ADARTS' official code.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(channels, channels // HIDDEN_SHARE, bias=False),
            nn.ReLU(),
            nn.Linear(channels // HIDDEN_SHARE, channels, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C) weights in (0, 1) of (B, C, H, W)."""
        return torch.sigmoid(self.network(x.mean(dim=(2, 3))) + self.network(x.amax(dim=(2, 3))))


class AttentionEdge(SearchEdge):
    """The C/k channels with the largest attention pass through the candidates, in the order of their attention.

    Every channel is first multiplied by its attention. One choice applies to the whole batch: by the mean over its
    images in training, and by a running mean of that in evaluation, where images must not affect one another. The other
    channels bypass the candidates, unchanged at stride 1 and through a 2x2 max pooling at stride 2. All channels keep
    their positions in the output.

    Source: Xue & Qin 2022 (ADARTS), official code; the running mean is ours.
    """

    demand: Tensor

    def __init__(self, names: tuple[str, ...], channels: int, stride: int, share: int) -> None:
        super().__init__()
        self.candidates, self.bypass = candidates_and_bypass(names, channels, stride, share)
        self.attention = ChannelAttention(channels)
        self.register_buffer("demand", torch.zeros(channels))

    def around(self, x: Tensor, mix: Mix) -> Tensor:
        attention = self.attention(x)
        x = x * attention[:, :, None, None]
        passing = self._passing(attention.detach())
        mixed = mix(x.index_select(1, passing))
        bypassed = self.bypass(x)
        return bypassed.index_copy(1, passing, mixed.to(bypassed.dtype))  # reduced precision: mixed may be float32

    def _passing(self, attention: Tensor) -> Tensor:
        """Return the (C/k,) channels that pass through the candidates, largest attention first."""
        demand = self.demand
        if self.training:
            demand = attention.mean(dim=0)
            self.demand.mul_(1.0 - DEMAND_MOMENTUM).add_(demand, alpha=DEMAND_MOMENTUM)
        return demand.argsort(descending=True, stable=True)[: self.candidates.channels]


def attended_channels(share: int) -> EdgeBuilder:
    """Return a builder of edges whose candidates get the channels with the most attention, one in `share`."""
    return lambda names, channels, stride: AttentionEdge(names, channels, stride, share)
