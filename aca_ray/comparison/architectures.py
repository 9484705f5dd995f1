"""Architectures per epoch from the record of a search: genotype texts, churn, and mixing weights as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aca_ray.errors import ConfigError
from aca_ray.records import SearchRow
from aca_ray.records.epochs import Names, Weights
from aca_ray.records.record import FIX
from aca_ray.space import Genotype, KeptEdge
from aca_ray.space.candidates import DARTS_CANDIDATES, NASBENCH201_CANDIDATES
from aca_ray.space.topology import CELL_TYPES, DARTS_TOPOLOGY, NASBENCH201_TOPOLOGY, CellType

_EDGES = {len(topology.edges): topology.edges for topology in (DARTS_TOPOLOGY, NASBENCH201_TOPOLOGY)}
_ORDER = {name: place for place, name in enumerate(dict.fromkeys((*DARTS_CANDIDATES, *NASBENCH201_CANDIDATES)))}


class Mixing(NamedTuple):
    """The mixing weights of one cell type over the epochs of a search.

    Attributes:
        candidates: names of the operations, in canonical order.
        edges: edges of the cell, such as "0->2".
        epochs: one per row of the weights.
        weights: (len(epochs), len(edges), len(candidates)) float32; NaN where an edge does not offer a candidate.
    """

    candidates: tuple[str, ...]
    edges: tuple[str, ...]
    epochs: tuple[int, ...]
    weights: NDArray[np.float32]


def genotype_text(genotype: Genotype) -> str:
    """Return a genotype as one short canonical text.

    " / " separates the cells, the normal one first; "|" separates the nodes of a cell; "+" separates the edges into a
    node, each written operation~source, sources ascending. A cell without edges is left out.
    """

    def cell_text(edges: Sequence[KeptEdge]) -> str:
        nodes: dict[int, list[str]] = {}
        for operation, source, target in sorted(edges, key=lambda edge: (edge.target, edge.source)):
            nodes.setdefault(target, []).append(f"{operation}~{source}")
        return "|".join(map("+".join, nodes.values()))

    return " / ".join(filter(None, (cell_text(genotype.cell(cell_type).edges) for cell_type in CELL_TYPES)))


def churn(before: Genotype, now: Genotype) -> int:
    """Return the number of kept edges, over both cells, that `before` does not keep with the same operation."""
    return sum(len(set(now.cell(kind).edges) - set(before.cell(kind).edges)) for kind in CELL_TYPES)


def mixing(rows: Sequence[SearchRow]) -> dict[CellType, Mixing]:
    """Return the mixing weights of every cell type that has any.

    Args:
        rows: rows of a search. Candidates are carried forward from the last row that named them.

    Raises:
        ConfigError: weights and candidates do not match, or no cell has their number of edges.
    """
    weights = {cell_type: _mixing(cell_type, rows) for cell_type in CELL_TYPES}
    return {cell_type: found for cell_type, found in weights.items() if found is not None}


def _mixing(cell_type: CellType, rows: Sequence[SearchRow]) -> Mixing | None:
    offered: Names | None = None
    epochs: list[int] = []
    stretches: list[tuple[int, Names, list[Weights]]] = []
    for index, row in enumerate(rows):
        if row.architecture is None:
            continue
        if row.architecture.candidates is not None:
            offered = row.architecture.candidates.get(cell_type)
        found = row.architecture.mixing.get(cell_type)
        if not found:
            continue
        if offered is None:
            raise _problem(index, "candidates", "named at the first epoch, per cell type and edge")
        if not stretches or stretches[-1][1] is not offered:
            stretches.append((index, offered, []))
        stretches[-1][2].append(found)
        epochs.append(row.epoch)
    if not stretches:
        return None
    names = {name for _, offered, _ in stretches for edge in offered for name in edge}
    candidates = tuple(sorted(names, key=lambda name: (_ORDER.get(name, len(_ORDER)), name)))
    column = {name: index for index, name in enumerate(candidates)}
    edges = _EDGES.get(len(stretches[0][1]))
    if edges is None:
        raise _problem(stretches[0][0], "candidates", f"for {' or '.join(map(str, _EDGES))} edges")
    weights = np.full((len(epochs), len(edges), len(candidates)), np.nan, dtype=np.float32)
    start = 0
    for index, offered, values in stretches:
        stop = start + len(values)
        try:
            edge_indices = [edge for edge, names_of_edge in enumerate(offered) for _ in names_of_edge]
            columns = [column[name] for names_of_edge in offered for name in names_of_edge]
            flat = np.fromiter(chain.from_iterable(chain.from_iterable(values)), dtype=np.float32)
            weights[start:stop, edge_indices, columns] = flat.reshape(len(values), len(columns))
        except (IndexError, ValueError) as error:
            raise _problem(index, "mixing", "one weight per candidate of every edge, here and after") from error
        start = stop
    return Mixing(candidates, tuple(f"{s}->{t}" for s, t in edges), tuple(epochs), weights)


def _problem(row: int, key: str, rule: str) -> ConfigError:
    return ConfigError(f"rows[{row}].architecture.{key} must be {rule}; {FIX}")
