"""Architectures per epoch from the record of a search: genotype texts, churn, and mixing weights as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aca_ray.comparison.fields import Fields
from aca_ray.space.candidates import DARTS_CANDIDATES, NASBENCH201_CANDIDATES
from aca_ray.space.topology import CELL_TYPES, DARTS_TOPOLOGY, NASBENCH201_TOPOLOGY, CellType

_EDGES = {len(topology.edges): topology.edges for topology in (DARTS_TOPOLOGY, NASBENCH201_TOPOLOGY)}
_ORDER = {name: place for place, name in enumerate(dict.fromkeys((*DARTS_CANDIDATES, *NASBENCH201_CANDIDATES)))}


class Derived(NamedTuple):
    """The genotype that an epoch would derive.

    Attributes:
        genotype: genotype as JSON.
        text: genotype in the notation of `genotype_text`.
        kept: (cell type, operation, source, target) of all kept edges.
    """

    genotype: Mapping[str, Any]
    text: str
    kept: frozenset[tuple[str, str, int, int]]


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


def genotype_text(genotype: Mapping[str, Any]) -> str:
    """Return a genotype, given as JSON, as one short canonical text.

    " / " separates the cells, the normal one first; "|" separates the nodes of a cell; "+" separates the edges into a
    node, each written operation~source, sources ascending. A cell without edges is left out.
    """

    def cell_text(edges: Sequence[tuple[str, int, int]]) -> str:
        nodes: dict[int, list[str]] = {}
        for operation, source, target in sorted(edges, key=lambda edge: (edge[2], edge[1])):
            nodes.setdefault(target, []).append(f"{operation}~{source}")
        return "|".join(map("+".join, nodes.values()))

    return " / ".join(filter(None, (cell_text(genotype[cell_type]["edges"]) for cell_type in CELL_TYPES)))


def derived(architecture: Fields, before: Derived | None) -> Derived:
    """Return the genotype of an epoch's architecture; `before` itself if the genotype is the same."""
    genotype = architecture.section("genotype").values
    if before is not None and genotype == before.genotype:
        return before
    try:
        kept = frozenset((cell, *edge) for cell in CELL_TYPES for edge in genotype[cell]["edges"])
        return Derived(genotype, genotype_text(genotype), kept)
    except (KeyError, TypeError, ValueError) as error:
        raise architecture.problem("genotype", "a genotype") from error


def churn(before: Derived, now: Derived) -> int:
    """Return the number of kept edges, over both cells, that `before` does not keep with the same operation."""
    return len(now.kept - before.kept)


def mixing(architectures: Sequence[tuple[int, Fields]]) -> dict[CellType, Mixing]:
    """Return the mixing weights of every cell type that has any.

    Args:
        architectures: (epoch, architecture), epochs ascending. Candidates are carried forward from the last epoch
            that named them.
    """
    weights = {cell_type: _mixing(cell_type, architectures) for cell_type in CELL_TYPES}
    return {cell_type: found for cell_type, found in weights.items() if found is not None}


def _mixing(cell_type: CellType, architectures: Sequence[tuple[int, Fields]]) -> Mixing | None:
    offered: Any = None
    epochs: list[int] = []
    stretches: list[tuple[Fields, Sequence[Sequence[str]], list[Sequence[Sequence[float]]]]] = []
    for epoch, architecture in architectures:
        named, found = (architecture.optional_section(key) for key in ("candidates", "mixing"))
        offered = named.values.get(cell_type) if named else offered
        if found is None or not found.values.get(cell_type):
            continue
        if not isinstance(offered, list):
            raise architecture.problem("candidates", "named at the first epoch, per cell type and edge")
        if not stretches or stretches[-1][1] is not offered:
            stretches.append((architecture, offered, []))
        stretches[-1][2].append(found.values[cell_type])
        epochs.append(epoch)
    if not stretches:
        return None
    names = {name for _, offered, _ in stretches for edge in offered for name in edge}
    candidates = tuple(sorted(names, key=lambda name: (_ORDER.get(name, len(_ORDER)), name)))
    column = {name: index for index, name in enumerate(candidates)}
    edges = _EDGES.get(len(stretches[0][1]))
    if edges is None:
        raise stretches[0][0].problem("candidates", f"for {' or '.join(map(str, _EDGES))} edges")
    weights = np.full((len(epochs), len(edges), len(candidates)), np.nan, dtype=np.float32)
    start = 0
    for architecture, offered, values in stretches:
        stop = start + len(values)
        try:
            edge_indices = [index for index, names_of_edge in enumerate(offered) for _ in names_of_edge]
            columns = [column[name] for names_of_edge in offered for name in names_of_edge]
            flat = np.fromiter(chain.from_iterable(chain.from_iterable(values)), dtype=np.float32)
            weights[start:stop, edge_indices, columns] = flat.reshape(len(values), len(columns))
        except (IndexError, TypeError, ValueError) as error:
            raise architecture.problem("mixing", "one weight per candidate of every edge, here and after") from error
        start = stop
    return Mixing(candidates, tuple(f"{s}->{t}" for s, t in edges), tuple(epochs), weights)
