"""The requests of packed searches: forward passes through their supernets, and the backward passes of these."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from torch import Tensor

from aca_ray.packing.packed_pass import PackedPass
from aca_ray.packing.passes import Pass
from aca_ray.packing.rows import Rows


class Request(Protocol):
    """A request of a search; requests of the same kind are computed as one."""

    @property
    def kind(self) -> Hashable:
        """A key that is equal for requests that can be computed as one."""
        ...

    @property
    def search(self) -> int:
        """Number of the search."""
        ...

    @property
    def waits(self) -> bool:
        """Whether the request waits for those of the other searches."""
        ...

    def results(self, group: Sequence[Any], rows: Rows) -> Sequence[Any]:
        """Return the results of a group whose first request is this one."""
        ...


class Place(NamedTuple):
    """A computed pass: its place in a packed pass, and whether it waited for others."""

    packed: PackedPass
    number: int
    waited: bool

    @property
    def logits(self) -> Tensor:
        """(B, K) logits of the pass."""
        return self.packed.logits[self.number]


@dataclass(frozen=True)
class Forward:
    """Requests a forward pass of a search."""

    own: Pass
    search: int
    waits: bool

    @property
    def kind(self) -> Hashable:
        return self.own.kind

    def results(self, group: Sequence[Forward], rows: Rows) -> Sequence[Place]:
        if len(group) > 1:
            rows.hold([request.own.contents for request in group])
        packed = PackedPass([request.own for request in group], rows)
        return [Place(packed, number, self.waits) for number in range(len(group))]


@dataclass(frozen=True)
class Backward:
    """Requests the gradients of a pass's inputs, given those of its logits."""

    place: Place
    of_logits: Tensor
    search: int

    @property
    def kind(self) -> Hashable:
        return id(self.place.packed)

    @property
    def waits(self) -> bool:
        return self.place.waited

    def results(self, group: Sequence[Backward], rows: Rows) -> Sequence[dict[str, Tensor | None]]:
        found = self.place.packed.gradients({request.place.number: request.of_logits for request in group})
        return [found[request.place.number] for request in group]
