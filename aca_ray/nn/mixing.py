"""The mixing weights of the candidates: the supernet's only architecture-dependent input."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType


@dataclass(frozen=True)
class CellMixing:
    """Mixing weights of one cell type, shared by all its cells.

    Attributes:
        operations: (E, O) weight of every candidate on every edge, in column order; entries beyond an edge's own number
            of candidates are not read.
        edges: (E,) weight of every edge in the sum of its target node, or None for a plain sum.
    """

    operations: Tensor
    edges: Tensor | None = None

    @cached_property
    def values(self) -> list[list[float]]:
        """The operations' weights as numbers; the first access waits for the device."""
        found: list[list[float]] = self.operations.tolist()
        return found

    def detach(self) -> CellMixing:
        """Return the same weights outside the autograd graph."""
        return CellMixing(self.operations.detach(), None if self.edges is None else self.edges.detach())


@dataclass(frozen=True)
class Mixing:
    """Mixing weights of both cell types."""

    normal: CellMixing
    reduce: CellMixing

    def cell(self, cell_type: CellType) -> CellMixing:
        """Return the weights of one cell type."""
        return self.normal if cell_type == "normal" else self.reduce

    @property
    def attached(self) -> bool:
        """Whether any weight is inside the autograd graph."""
        tables = (table for cell in (self.normal, self.reduce) for table in (cell.operations, cell.edges))
        return any(table is not None and table.requires_grad for table in tables)

    def detach(self) -> Mixing:
        """Return the same weights outside the autograd graph."""
        return Mixing(self.normal.detach(), self.reduce.detach())

    def with_row(self, cell_type: CellType, edge: int, row: Tensor) -> Mixing:
        """Return the same weights with the candidates of one edge replaced by the (O,) weights of `row`."""
        operations = self.cell(cell_type).operations.clone()
        operations[edge] = row
        return replace(self, **{cell_type: replace(self.cell(cell_type), operations=operations)})


def candidate_mask(space: Space, cell_type: CellType) -> Tensor:
    """Return the (E, O) mask of entries that belong to a candidate; O is the most candidates on any edge."""
    edges = space.candidates(cell_type)
    counts = torch.tensor([len(names) for names in edges], dtype=torch.long)
    return torch.arange(max(map(len, edges), default=0)) < counts[:, None]
