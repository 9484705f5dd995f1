"""The supernet and the inputs of cells in the layout of maps that is fastest."""

from __future__ import annotations

from torch import Tensor

from aca_ray.nn.cell_inputs import CellInputs, PreviousOutput
from aca_ray.nn.fused.maps import laid_out
from aca_ray.nn.fused.running_statistics import updated_at_the_end
from aca_ray.nn.mixing import Mixing
from aca_ray.nn.supernet import Supernet, SupernetObserver


class FusedSupernet(Supernet):
    """A supernet that updates the running statistics of all batch norms at the end of a pass."""

    def logits(self, images: Tensor, mixing: Mixing, observe: SupernetObserver | None) -> Tensor:
        with updated_at_the_end():
            return super().logits(laid_out(images), mixing, observe)


class FusedCellInputs(CellInputs):
    """The inputs of a cell, laid out."""

    def forward(self, before: Tensor, previous: Tensor) -> tuple[Tensor, ...]:
        return tuple(laid_out(state) for state in super().forward(before, previous))


class FusedPreviousOutput(PreviousOutput):
    """The input of a cell, laid out."""

    def forward(self, before: Tensor, previous: Tensor) -> tuple[Tensor, ...]:
        return tuple(laid_out(state) for state in super().forward(before, previous))
