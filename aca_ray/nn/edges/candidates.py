"""The weighted sum of an edge's candidates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

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


class CandidateSum(nn.Module):
    """The sum of the candidates' outputs, each times its mixing weight; `none` is never computed.

    Attributes:
        columns: column of every computed candidate in the mixing weights, by name.
        operations: the computed candidates, by name.
        channels: channels C of the input.
        stride: 1 or 2.
    """

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

    def forward(self, x: Tensor, weights: Tensor, observe: Observer | None = None) -> Tensor:
        """Return the (B, C, H', W') sum for (B, C, H, W) and (O,) mixing weights."""
        outputs = {name: operation(x) for name, operation in self.operations.items()}
        mixed = self.mix(x, outputs, weights)
        if observe is not None:
            observe(EdgeObservation(x, outputs, mixed))
        return mixed

    def mix(self, x: Tensor, outputs: Mapping[str, Tensor], weights: Tensor, start: Tensor | None = None) -> Tensor:
        """Return `start` plus the outputs, each times its mixing weight; zeros if there is no term."""
        total = start
        for name, output in outputs.items():
            total = plus(total, output, weights[self.columns[name]])
        if total is not None:
            return total
        batch, _, height, width = x.shape
        return x.new_zeros(batch, self.channels, height // self.stride, width // self.stride)


def plus(total: Tensor | None, term: Tensor, factor: Tensor | None) -> Tensor:
    """Return `total + term * factor`; a total of None is an empty sum, a factor of None is 1."""
    if total is None:
        return term if factor is None else term * factor
    return total + term if factor is None else torch.addcmul(total, term, factor)
