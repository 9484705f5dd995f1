"""What one edge of the supernet computes from its candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from aca_ray.nn.operations import build_candidate
from aca_ray.space.candidates import NONE


class EdgeObservation(NamedTuple):
    """What passed through an edge in one forward pass; what a channel ranker looks at.

    Attributes:
        input: (B, C, H, W) what the candidates read.
        outputs: (B, C, H', W') output of every computed candidate, by name.
        mixed: (B, C, H', W') their weighted sum, a node of the autograd graph.
    """

    input: Tensor
    outputs: Mapping[str, Tensor]
    mixed: Tensor


Observer = Callable[[EdgeObservation], None]


class SearchEdge(Protocol):
    """A module that computes an edge; `candidates` holds the operations whose channels are ranked."""

    candidates: CandidateSum

    def __call__(self, x: Tensor, weights: Tensor, observe: Observer | None = None) -> Tensor:
        """Return the edge's output for (B, C, H, W) and the (O,) mixing weights of its candidates."""
        ...


EdgeBuilder = Callable[[tuple[str, ...], int, int], nn.Module]


class CandidateSum(nn.Module):
    """The sum of the candidates' outputs, each times its mixing weight; `none` is never computed."""

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.columns = {name: column for column, name in enumerate(names) if name != NONE}
        self.operations = nn.ModuleDict({name: build_candidate(name, channels, stride) for name in self.columns})
        self.channels = channels
        self.stride = stride

    def forward(self, x: Tensor, weights: Tensor, observe: Observer | None = None) -> Tensor:
        outputs = {name: operation(x) for name, operation in self.operations.items()}
        scales = weights.unbind()
        terms = [output * scales[self.columns[name]] for name, output in outputs.items()]
        mixed = terms[0]
        for term in terms[1:]:
            mixed = mixed + term
        if observe is not None:
            observe(EdgeObservation(x, outputs, mixed))
        return mixed


class FullEdge(nn.Module):
    """All channels pass through all candidates. Source: Liu et al. 2019 (DARTS), equation 2."""

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.candidates = CandidateSum(names, channels, stride)

    def forward(self, x: Tensor, weights: Tensor, observe: Observer | None = None) -> Tensor:
        return self.candidates(x, weights, observe)


class PartialChannelEdge(nn.Module):
    """The first C/k channels pass through the candidates, the others bypass them; then all are shuffled.

    The bypass is the identity at stride 1 and a 2x2 max pooling at stride 2. The channels that pass are always the
    first ones: the shuffle, not a draw, is what rotates them.

    Source: Xu et al. 2020 (PC-DARTS), section 3.2, and its official code.
    """

    def __init__(self, names: tuple[str, ...], channels: int, stride: int, share: int) -> None:
        super().__init__()
        if channels % share:
            raise ValueError(f"partial channels: {channels} channels must be divisible by {share}")
        self.share = share
        self.candidates = CandidateSum(names, channels // share, stride)
        self.bypass = nn.Identity() if stride == 1 else nn.MaxPool2d(2, 2)

    def forward(self, x: Tensor, weights: Tensor, observe: Observer | None = None) -> Tensor:
        passing = x.shape[1] // self.share
        mixed = self.candidates(x[:, :passing], weights, observe)
        joined = torch.cat((mixed, self.bypass(x[:, passing:])), dim=1)
        return shuffle_channels(joined, self.share)


def shuffle_channels(x: Tensor, groups: int) -> Tensor:
    """Return (B, C, H, W) with its channels, seen as a (groups, C/groups) table, read column by column."""
    return x.unflatten(1, (groups, -1)).transpose(1, 2).flatten(1, 2)


def partial_channels(share: int) -> EdgeBuilder:
    """Return the builder of edges of which one channel in `share` passes through the candidates."""
    return lambda names, channels, stride: PartialChannelEdge(names, channels, stride, share)
