"""Fused computation of the candidates of all edges that leave one state."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from aca_ray.nn.edges import CandidateSum, EdgeObservation, Observer, plus
from aca_ray.nn.fused.large_maps import VECTOR
from aca_ray.nn.fused.maps import as_maps, as_state, as_states, is_small, on_cpu, stacked, unstacked
from aca_ray.nn.fused.operations import FusedOperation
from aca_ray.nn.fused.runs import runs


class FusedOutputs(NamedTuple):
    """Outputs of one edge's candidates, fused with those of the other edges that read the same state.

    Attributes:
        names: names of the fused candidates; at least one.
        mixed: (B, C, H', W') sum of their outputs, each times its mixing weight.
        outputs: (B, C, H', W') output of each, by name; empty unless the pass is observed.
    """

    names: frozenset[str]
    mixed: Tensor
    outputs: Mapping[str, Tensor]


def mix_with(
    fused: FusedOutputs, candidates: CandidateSum, x: Tensor, weights: Tensor, observe: Observer | None
) -> Tensor:
    """Return what `candidates(x, weights, observe)` returns, given the outputs that were already fused."""
    outputs = {name: operation(x) for name, operation in candidates.operations.items() if name not in fused.names}
    mixed = candidates.mix(x, outputs, weights, fused.mixed)
    if observe is not None:
        outputs |= fused.outputs
        observe(EdgeObservation(x, {name: outputs[name] for name in candidates.columns}, mixed))
    return mixed


def fused_outputs(
    edges: Sequence[CandidateSum], state: Tensor, weights: Tensor, *, observed: bool
) -> list[FusedOutputs | None]:
    """Return the fused outputs of each of E edges, None for an edge without any.

    Args:
        edges: candidates of edges with equal channels and strides.
        state: (B, C, H, W) input of all candidates.
        weights: (E, O) mixing weights.
        observed: whether to return the outputs of single candidates.
    """
    candidates = list(_fusable(edges))
    if not candidates:
        return [None] * len(edges)
    return (_by_one_product if is_small(state) else _by_scaled_norms)(candidates, state, weights, observed)


class _Candidate(NamedTuple):
    """A candidate that is fused with others: its edge, its name, the column of its mixing weight, its operation."""

    edge: int
    name: str
    column: int
    operation: FusedOperation


def _fusable(edges: Sequence[CandidateSum]) -> Iterator[_Candidate]:
    for name in dict.fromkeys(name for edge in edges for name in edge.columns):
        for index, edge in enumerate(edges):
            operation = edge.operations[name] if name in edge.columns else None
            if isinstance(operation, FusedOperation):
                yield _Candidate(index, name, edge.columns[name], operation)


class _Reader:
    """Runs operations on a state; those that begin with a ReLU share one."""

    def __init__(self, state: Tensor) -> None:
        self.maps, self.positive = as_maps(state), as_maps(state.relu())

    def run(self, candidates: Sequence[_Candidate], scales: Tensor | None = None) -> Tensor:
        operations = [candidate.operation for candidate in candidates]
        maps = self.positive if operations[0].reads_positive else self.maps
        return operations[0].fused(operations, maps, scales)


def _grouped(candidates: Sequence[_Candidate], key: Callable[[_Candidate], Hashable]) -> list[list[_Candidate]]:
    groups: dict[Hashable, list[_Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(key(candidate), []).append(candidate)
    return list(groups.values())


def _by_one_product(
    candidates: Sequence[_Candidate], state: Tensor, weights: Tensor, observed: bool
) -> list[FusedOutputs | None]:
    """Mix the outputs on small maps by one product with the mixing weights."""
    reader = _Reader(state)
    maps: list[Tensor] = []
    rows: list[dict[str, int]] = [{} for _ in weights]
    entries: list[tuple[int, int, int]] = []
    num_rows = 0
    for group in _grouped(candidates, lambda candidate: candidate.operation.group):
        outputs = reader.run(group)
        for place, candidate in enumerate(group):
            row = rows[candidate.edge][candidate.name] = num_rows + place % len(outputs)
            entries.append((candidate.edge, row, candidate.column))
        maps.append(outputs)
        num_rows += len(outputs)
    table = torch.cat(maps)
    from_edge, to_row, column = torch.tensor(entries).unbind(dim=1)
    scales = weights.new_zeros(len(weights), num_rows).index_put((from_edge, to_row), weights[from_edge, column])
    mixed = (scales @ table.flatten(1)).unflatten(1, table.shape[1:])
    return [
        FusedOutputs(
            frozenset(own),
            as_state(total),
            {name: as_state(table[row]) for name, row in own.items()} if observed else {},
        )
        if own
        else None
        for own, total in zip(rows, mixed.unbind(), strict=True)
    ]


def _by_scaled_norms(
    candidates: Sequence[_Candidate], state: Tensor, weights: Tensor, observed: bool
) -> list[FusedOutputs | None]:
    """Mix the outputs on other maps by batch norms that scale by the mixing weights, and sums.

    On a CPU, candidates of one name and few channels are fused across several edges; elsewhere all candidates of one
    group are fused. Outputs that do not depend on an edge's weights are computed once.
    """
    reader, factors = _Reader(state), _Factors(weights)
    outputs: list[dict[str, Tensor]] = [{} for _ in weights]
    sums: list[Tensor | None] = [None] * len(weights)
    scaled: dict[tuple[int, ...], Tensor] = {}
    for group in _grouped(candidates, _by_vectors(state) if on_cpu(state) else lambda own: own.operation.group):
        is_constant = group[0].operation.is_constant
        if observed or (is_constant and on_cpu(state)):
            found = as_states(reader.run(group))
            for place, candidate in enumerate(group):
                output = outputs[candidate.edge][candidate.name] = found[place % len(found)]
                sums[candidate.edge] = plus(sums[candidate.edge], output, factors.of_one(candidate))
        elif is_constant:
            edges = tuple(candidate.edge for candidate in group)
            scaled[edges] = plus(scaled.get(edges), reader.run(group), factors.of(group)[:, *[None] * 4])
        else:
            for edges, own in _sums_of_names(group, reader.run(group, factors.of(group))):
                scaled[edges] = plus(scaled.get(edges), own, None)
    for edges, total in scaled.items():
        for edge, term in zip(edges, as_states(total), strict=True):
            sums[edge] = plus(sums[edge], term, None)
    names = [frozenset(own.name for own in candidates if own.edge == edge) for edge in range(len(weights))]
    return [
        None if total is None else FusedOutputs(own, total, seen if observed else {})
        for own, total, seen in zip(names, sums, outputs, strict=True)
    ]


class _Factors:
    """The (E, O) mixing weights of edges, split in few calls."""

    def __init__(self, weights: Tensor) -> None:
        self._num_edges = len(weights)
        self._columns = weights.unbind(dim=1)

    @cached_property
    def _scalars(self) -> list[tuple[Tensor, ...]]:
        return [column.unbind() for column in self._columns]

    def of_one(self, candidate: _Candidate) -> Tensor:
        """Return the scalar weight of a candidate."""
        return self._scalars[candidate.column][candidate.edge]

    def of(self, group: Sequence[_Candidate]) -> Tensor:
        """Return the (N,) weights of N candidates, ordered by name and edge."""
        columns = list(dict.fromkeys(candidate.column for candidate in group))
        whole = [(edge, column) for column in columns for edge in range(self._num_edges)]
        if [(candidate.edge, candidate.column) for candidate in group] != whole:
            return torch.stack([self.of_one(candidate) for candidate in group])
        return (
            torch.cat([self._columns[column] for column in columns]) if len(columns) > 1 else self._columns[columns[0]]
        )


def _by_vectors(state: Tensor) -> Callable[[_Candidate], Hashable]:
    """Return the key of fused candidates: of one name, as many as fill two vectors, or one that fills a vector."""
    num_edges = 1 if state.shape[1] >= VECTOR else 2 * VECTOR // state.shape[1]  # measured
    return lambda own: (own.name, 0 if own.operation.is_constant else own.edge // num_edges)


def _sums_of_names(group: Sequence[_Candidate], maps: Tensor) -> list[tuple[tuple[int, ...], Tensor]]:
    """Return pairs of E' edges and their (E', C, H, W, B) maps, summed over names if all names have the same edges."""
    of_names = [tuple(candidate.edge for candidate in own) for _, own in runs(group, lambda candidate: candidate.name)]
    if len(of_names) == 1:
        return [(of_names[0], maps)]
    # Sum and split in memory order, since sums and gradients are laid out in the order of the axes.
    rows = stacked(maps)
    if len(set(of_names)) == 1:
        total = rows.unflatten(1, (len(of_names), -1)).sum(dim=1)
        return [(of_names[0], unstacked(total, len(of_names[0])))]
    parts = rows.split([len(edges) * maps.shape[1] for edges in of_names], dim=1)
    return [(edges, unstacked(own, len(edges))) for edges, own in zip(of_names, parts, strict=True)]
