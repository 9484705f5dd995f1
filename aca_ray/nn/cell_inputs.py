"""The modules that make a cell's input nodes from the outputs of the two previous cells.

Exported networks contain the text of `CellInputs`, so its lines have at most 88 columns.
"""

from __future__ import annotations

from torch import Tensor, nn

from aca_ray.nn.blocks import FactorizedReduce, ReluConvNorm


class CellInputs(nn.Module):
    """Brings the outputs of the two previous cells to one width and resolution.

    Source: DARTS' official code.
    """

    def __init__(
        self,
        before: int,
        previous: int,
        channels: int,
        halved: bool,
        affine: bool = True,
    ) -> None:
        super().__init__()
        adapt = FactorizedReduce if halved else ReluConvNorm
        self.before = adapt(before, channels, affine=affine)
        self.previous = ReluConvNorm(previous, channels, affine=affine)

    def forward(self, before: Tensor, previous: Tensor) -> tuple[Tensor, ...]:
        return self.before(before), self.previous(previous)


class PreviousOutput(nn.Module):
    """The only input of a cell in the residual skeleton: the previous cell's output, unchanged."""

    def forward(self, before: Tensor, previous: Tensor) -> tuple[Tensor, ...]:
        return (previous,)
