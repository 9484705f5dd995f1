"""The candidates of all edges that leave one state, computed together on a CPU.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from aca_ray.nn.edges import CandidateSum, plus
from aca_ray.nn.joint import JointOperation, JointOutputs
from aca_ray.nn.large_maps import VECTOR
from aca_ray.nn.maps import as_maps, as_state, as_states, is_small


def joint_outputs(
    edges: Sequence[CandidateSum], state: Tensor, weights: Tensor, *, observed: bool
) -> list[JointOutputs | None]:
    """Return for each of E edges what is computed together: nothing on other devices or where layers are watched.

    Args:
        edges: the candidates of edges with equal channels and strides.
        state: (B, C, H, W) what all of them read.
        weights: (E, O) their mixing weights.
        observed: whether the outputs of single candidates are asked for.
    """
    members = list(_joint_members(edges)) if state.device.type == "cpu" else []
    if not members:
        return [None] * len(edges)
    return (_by_one_product if is_small(state) else _by_scaled_norms)(members, state, weights, observed)


class _Member(NamedTuple):
    """A candidate that is computed together with others: of which edge, its name, its mixing weight's column."""

    edge: int
    name: str
    column: int
    operation: JointOperation


def _joint_members(edges: Sequence[CandidateSum]) -> Iterator[_Member]:
    for name in dict.fromkeys(name for edge in edges for name in edge.columns):
        for index, edge in enumerate(edges):
            operation = edge.operations[name] if name in edge.columns else None
            if isinstance(operation, JointOperation) and not operation.is_watched():
                yield _Member(index, name, edge.columns[name], operation)


class _Reader:
    """Runs operations on a state, behind one ReLU for all that begin with one."""

    def __init__(self, state: Tensor) -> None:
        self.maps, self.positive = as_maps(state), as_maps(state.relu())

    def run(self, members: Sequence[_Member], scales: Tensor | None = None) -> Tensor:
        operations = [member.operation for member in members]
        maps = self.positive if operations[0].reads_positive else self.maps
        return operations[0].run_together(operations, maps, scales)


def _grouped(members: Sequence[_Member], key: Callable[[_Member], Hashable]) -> list[list[_Member]]:
    groups: dict[Hashable, list[_Member]] = {}
    for member in members:
        groups.setdefault(key(member), []).append(member)
    return list(groups.values())


def _by_one_product(
    members: Sequence[_Member], state: Tensor, weights: Tensor, observed: bool
) -> list[JointOutputs | None]:
    """Mix what small maps become by one product of mixing weights and all outputs."""
    reader = _Reader(state)
    maps: list[Tensor] = []
    rows: list[dict[str, int]] = [{} for _ in weights]
    entries: list[tuple[int, int, int]] = []
    num_rows = 0
    for group in _grouped(members, lambda member: member.operation.group):
        outputs = reader.run(group)
        for place, member in enumerate(group):
            row = rows[member.edge][member.name] = num_rows + place % len(outputs)
            entries.append((member.edge, row, member.column))
        maps.append(outputs)
        num_rows += len(outputs)
    together = torch.cat(maps)
    from_edge, to_row, column = torch.tensor(entries).unbind(dim=1)
    scales = weights.new_zeros(len(weights), num_rows).index_put((from_edge, to_row), weights[from_edge, column])
    mixed = (scales @ together.flatten(1)).unflatten(1, together.shape[1:])
    return [
        JointOutputs(
            frozenset(own),
            as_state(total),
            {name: as_state(together[row]) for name, row in own.items()} if observed else {},
        )
        if own
        else None
        for own, total in zip(rows, mixed.unbind(), strict=True)
    ]


def _by_scaled_norms(
    members: Sequence[_Member], state: Tensor, weights: Tensor, observed: bool
) -> list[JointOutputs | None]:
    """Mix what large maps become by batch norms that scale by the mixing weights, and sums.

    Candidates of few channels are computed, and their scaled outputs added up, for several edges at once; what does not
    depend on an edge's weights is computed once.
    """
    reader = _Reader(state)
    per_vector = max(1, VECTOR // state.shape[1])
    factors = [row.unbind() for row in weights.unbind()]
    outputs: list[dict[str, Tensor]] = [{} for _ in weights]
    sums: list[Tensor | None] = [None] * len(weights)
    scaled: dict[tuple[int, ...], Tensor] = {}
    groups = _grouped(members, lambda own: (own.name, 0 if own.operation.is_constant else own.edge // per_vector))
    for group in groups:
        own_factors = [factors[member.edge][member.column] for member in group]
        if observed or group[0].operation.is_constant:
            found = as_states(reader.run(group))
            for place, (member, factor) in enumerate(zip(group, own_factors, strict=True)):
                output = outputs[member.edge][member.name] = found[place % len(found)]
                sums[member.edge] = plus(sums[member.edge], output, factor)
        else:
            edges = tuple(member.edge for member in group)
            scaled[edges] = plus(scaled.get(edges), reader.run(group, torch.stack(own_factors)), None)
    for edges, total in scaled.items():
        for edge, own in zip(edges, as_states(total), strict=True):
            sums[edge] = plus(sums[edge], own, None)
    names = [frozenset(member.name for member in members if member.edge == edge) for edge in range(len(weights))]
    return [
        None if total is None else JointOutputs(own, total, seen if observed else {})
        for own, total, seen in zip(names, sums, outputs, strict=True)
    ]
