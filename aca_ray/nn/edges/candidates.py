"""What one edge of the supernet computes from its candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from aca_ray.nn.fused.maps import concatenate_channels, part
from aca_ray.nn.fused.operations import JointOutputs
from aca_ray.nn.operations import build_candidate
from aca_ray.space.candidates import NONE


class EdgeObservation(NamedTuple):
    """The tensors of an edge in one forward pass, as a channel ranker sees them.

    Attributes:
        input: (B, C, H, W) input of the candidates.
        outputs: (B, C, H', W') output of every computed candidate, by name.
        mixed: (B, C, H', W') their weighted sum, a node of the autograd graph.
    """

    input: Tensor
    outputs: Mapping[str, Tensor]
    mixed: Tensor


Observer = Callable[[EdgeObservation], None]


class SearchEdge(Protocol):
    """A module that computes an edge.

    An edge that depends on the values of its weights sets `reads_values = True`. It is called with the (O,) numbers as
    `values` instead of `joint`, so that a pass waits for the device once and not at every edge.

    Attributes:
        candidates: the operations whose channels are ranked.
        joins: whether every forward pass computes all candidates on exactly the first `candidates.channels` channels of
            the state, so that they can be fused with those of other edges.
        groups: number of channel groups in the shuffle that a node applies to the sum of its edges' outputs, which
            equals the sum of the shuffled outputs; 1 for no shuffle.
    """

    candidates: CandidateSum
    joins: bool
    groups: int

    def __call__(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, joint: JointOutputs | None = None
    ) -> Tensor:
        """Return the edge's output for (B, C, H, W), (O,) mixing weights and the outputs that were already fused."""
        ...


EdgeBuilder = Callable[[tuple[str, ...], int, int], nn.Module]


class CandidateSum(nn.Module):
    """The sum of the candidates' outputs, each times its mixing weight; `none` is never computed."""

    def __init__(
        self,
        names: tuple[str, ...],
        channels: int,
        stride: int,
        build: Callable[[str, int, int], nn.Module] = build_candidate,
    ) -> None:
        super().__init__()
        self.columns = {name: column for column, name in enumerate(names) if name != NONE}
        self.operations = nn.ModuleDict({name: build(name, channels, stride) for name in self.columns})
        self.channels = channels
        self.stride = stride

    def forward(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, joint: JointOutputs | None = None
    ) -> Tensor:
        ready = joint.names if joint is not None else ()
        outputs = {name: operation(x) for name, operation in self.operations.items() if name not in ready}
        mixed = self.mix(x, outputs, weights, None if joint is None else joint.mixed)
        if observe is not None:
            if joint is not None:
                outputs |= joint.outputs
            observe(EdgeObservation(x, {name: outputs[name] for name in self.columns}, mixed))
        return mixed

    def mix(self, x: Tensor, outputs: Mapping[str, Tensor], weights: Tensor, mixed: Tensor | None = None) -> Tensor:
        """Return `mixed` plus the outputs, each times its mixing weight; zeros if there is no term."""
        for name, output in outputs.items():
            mixed = plus(mixed, output, weights[self.columns[name]])
        if mixed is not None:
            return mixed
        batch, _, height, width = x.shape
        return x.new_zeros(batch, self.channels, height // self.stride, width // self.stride)


class Scheduled(nn.Module):
    """A module with a strength that the search sets at the start of every epoch; each subclass defines its meaning.

    Attributes:
        strength: value for the current epoch; 0 until it is set.
    """

    def __init__(self) -> None:
        super().__init__()
        self.strength = 0.0


def plus(total: Tensor | None, term: Tensor, factor: Tensor | None) -> Tensor:
    """Return `total + term * factor`; a total of None is an empty sum, a factor of None is 1."""
    if total is None:
        return term if factor is None else term * factor
    return total + term if factor is None else torch.addcmul(total, term, factor)


class FullEdge(nn.Module):
    """All channels pass through all candidates. Source: Liu et al. 2019 (DARTS), equation 2."""

    joins = True
    groups = 1

    def __init__(self, names: tuple[str, ...], channels: int, stride: int) -> None:
        super().__init__()
        self.candidates = CandidateSum(names, channels, stride)

    def forward(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, joint: JointOutputs | None = None
    ) -> Tensor:
        return self.candidates(x, weights, observe, joint)


class PartialChannelEdge(nn.Module):
    """The first C/k channels pass through the candidates, the others bypass them; the node shuffles all of them.

    A node may sum the two parts of its edges separately and concatenate them once.

    The bypass is the identity at stride 1 and a 2x2 max pooling at stride 2. The first channels always pass:
    the shuffle, not a draw, rotates them.

    Source: Xu et al. 2020 (PC-DARTS), section 3.2, and its official code.
    """

    joins = True

    def __init__(self, names: tuple[str, ...], channels: int, stride: int, share: int) -> None:
        super().__init__()
        self.groups = share
        self.candidates, self.bypass = candidates_and_bypass(names, channels, stride, share)

    def forward(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, joint: JointOutputs | None = None
    ) -> Tensor:
        return concatenate_channels([self.mixed(x, weights, observe, joint), self.bypassed(x)])

    def mixed(
        self, x: Tensor, weights: Tensor, observe: Observer | None = None, joint: JointOutputs | None = None
    ) -> Tensor:
        """Return the (B, C/k, H', W') output of the channels that pass."""
        return self.candidates(part(x, channels=slice(self.candidates.channels)), weights, observe, joint)

    def bypassed(self, x: Tensor) -> Tensor:
        """Return the (B, C - C/k, H', W') output of the other channels, independent of the edge's weights."""
        return self.bypass(part(x, channels=slice(self.candidates.channels, None)))


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
