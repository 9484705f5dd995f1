"""The candidates of all edges that leave one state, computed together on a CPU.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from typing import cast

import torch
from torch import Tensor

from aca_ray.nn.edges import CandidateSum
from aca_ray.nn.joint import JointOperation, JointOutputs
from aca_ray.nn.large_maps import VECTOR
from aca_ray.nn.maps import as_maps, as_state, as_states, is_small

Members = list[tuple[int, str]]  # edges, by their place among those that leave the state, and the candidate's name


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
    if state.device.type != "cpu":
        return [None] * len(edges)
    return (_by_one_product if is_small(state) else _by_scaled_norms)(edges, state, weights, observed)


def _joint_operations(edges: Sequence[CandidateSum]) -> Iterator[tuple[int, str, JointOperation]]:
    for name in dict.fromkeys(name for edge in edges for name in edge.columns):
        for index, edge in enumerate(edges):
            operation = edge.operations[name] if name in edge.columns else None
            if isinstance(operation, JointOperation) and not operation.is_watched():
                yield index, name, operation


def _run(edges: Sequence[CandidateSum], members: Members, maps: Tensor, scales: Tensor | None = None) -> Tensor:
    operations = [cast(JointOperation, edges[index].operations[name]) for index, name in members]
    return operations[0].run_together(operations, maps, scales)


def _by_one_product(
    edges: Sequence[CandidateSum], state: Tensor, weights: Tensor, observed: bool
) -> list[JointOutputs | None]:
    """Mix what small maps become by one product of mixing weights and all outputs."""
    groups: dict[Hashable, Members] = {}
    for index, name, operation in _joint_operations(edges):
        groups.setdefault(operation.group, []).append((index, name))
    if not groups:
        return [None] * len(edges)
    maps: list[Tensor] = []
    rows: list[dict[str, int]] = [{} for _ in edges]
    num_rows = 0
    for members in groups.values():
        outputs = _run(edges, members, as_maps(state))
        for place, (index, name) in enumerate(members):
            rows[index][name] = num_rows + place % len(outputs)
        maps.append(outputs)
        num_rows += len(outputs)
    together = torch.cat(maps)
    entries = [(index, row, edges[index].columns[name]) for index, own in enumerate(rows) for name, row in own.items()]
    from_edge, to_row, column = torch.tensor(entries).unbind(dim=1)
    scales = weights.new_zeros(len(edges), num_rows).index_put((from_edge, to_row), weights[from_edge, column])
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
    edges: Sequence[CandidateSum], state: Tensor, weights: Tensor, observed: bool
) -> list[JointOutputs | None]:
    """Mix what large maps become by batch norms that scale by the mixing weights, and sums.

    Candidates of few channels are computed several at once; what does not depend on an edge's weights, once.
    """
    per_vector = max(1, VECTOR // state.shape[1])
    groups: dict[Hashable, Members] = {}
    for index, name, operation in _joint_operations(edges):
        part = 0 if operation.is_constant else index // per_vector
        groups.setdefault((name, part), []).append((index, name))
    factors = [row.unbind() for row in weights.unbind()]
    outputs: list[dict[str, Tensor]] = [{} for _ in edges]
    sums: list[Tensor | None] = [None] * len(edges)
    maps = as_maps(state)
    for members in groups.values():
        own_factors = [factors[index][edges[index].columns[name]] for index, name in members]
        is_scaled = not observed and not edges[members[0][0]].operations[members[0][1]].is_constant
        found = as_states(_run(edges, members, maps, torch.stack(own_factors) if is_scaled else None))
        for place, ((index, name), factor) in enumerate(zip(members, own_factors, strict=True)):
            output = outputs[index][name] = found[place % len(found)]
            term = output if is_scaled else output * factor
            total = sums[index]
            sums[index] = term if total is None else total + term
    return [
        None if total is None else JointOutputs(frozenset(own), total, own if observed else {})
        for own, total in zip(outputs, sums, strict=True)
    ]
