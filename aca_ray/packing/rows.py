"""Shared storage of the tensors of packed networks."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aca_ray.packing.contents import Contents


class Rows:
    """Shared storage for networks of one structure, so that a packed pass need not stack their tensors every time.

    The networks' parameters and buffers become rows of common tensors.
    """

    def __init__(self) -> None:
        self._held: list[Contents] = []
        self._tables: dict[str, Tensor] = {}
        self._pointers: dict[str, list[int]] = {}

    def hold(self, networks: Sequence[Contents]) -> None:
        """Move networks into the shared storage, unless it already has exactly these."""
        if [*map(id, networks)] == [*map(id, self._held)]:
            return
        self._held = list(networks)
        self._tables, self._pointers = {}, {}
        held = [{**contents.parameters, **contents.buffers} for contents in networks]
        for name in held[0]:
            table = torch.stack([own[name].detach() for own in held])
            for own, row in zip(held, table.unbind(), strict=True):
                own[name].data = row
            self._tables[name] = table
            self._pointers[name] = [own[name].data_ptr() for own in held]

    def table(self, name: str, tensors: Sequence[Tensor]) -> tuple[Tensor, bool]:
        """Return tensors as rows of one, outside any graph, and whether they already were."""
        if self._pointers.get(name) == [tensor.data_ptr() for tensor in tensors]:
            return self._tables[name].detach(), True
        return torch.stack([tensor.detach() for tensor in tensors]), False
