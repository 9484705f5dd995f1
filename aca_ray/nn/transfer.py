"""Transfer of learned weights to a supernet of another space or width."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType

# From the tensors of the old network and the initial ones of the new network to those that the new one continues with.
Transfer = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], dict[str, Tensor]]


def same_names(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the new tensors, with the old values wherever an old tensor has the same name.

    Candidates are named, so every remaining candidate keeps its weights, whatever joins or leaves its edge.
    """
    return {name: old.get(name, tensor) for name, tensor in new.items()}


def same_candidates(old: Space, new: Space, cell_type: CellType, table: Tensor, fill: Tensor) -> Tensor:
    """Return an (E, O') table of the new space with the entries of an old (E, O) table for candidates in both.

    Args:
        old: the space of `table`, of the same topology.
        new: the space of the result.
        cell_type: cell type of the tables.
        table: (E, O) one entry per old candidate.
        fill: (E, O') entries of new candidates.
    """
    result = fill.detach().clone()
    pairs = zip(old.candidates(cell_type), new.candidates(cell_type), strict=True)
    entries = [
        (edge, before.index(name), column)
        for edge, (before, after) in enumerate(pairs)
        for column, name in enumerate(after)
        if name in before
    ]
    edges, old_columns, new_columns = torch.tensor(entries, dtype=torch.int64).view(-1, 3).unbind(dim=1)
    result[edges, new_columns] = table.detach()[edges, old_columns]
    return result
