"""Taking what was learned over to a supernet of another space or width."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType

# From tensors of the old network by name, and those that the new one begins with, to those that it goes on with.
Transfer = Callable[[Mapping[str, Tensor], Mapping[str, Tensor]], dict[str, Tensor]]


def same_names(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the new tensors, those that have an old one of their name in its values.

    Candidates are named, so this keeps the weights of every candidate that stays, whatever joins or leaves its edge.
    """
    return {name: old.get(name, tensor) for name, tensor in new.items()}


def same_candidates(old: Space, new: Space, cell_type: CellType, table: Tensor, fill: Tensor) -> Tensor:
    """Return an (E, O') table of the new space with the old (E, O) table's entry wherever a candidate is in both.

    Args:
        old: the space of `table`, of the same topology.
        new: the space of the result.
        cell_type: which cell's candidates the tables stand for.
        table: (E, O) one entry per old candidate.
        fill: (E, O') the entries of candidates that are new.
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
