"""Search spaces: the candidate operations on every edge of both cells.

Source: the DARTS space is that of Liu et al. 2019; S1 to S4 are those of Zela et al. 2020 (RobustDARTS); nasbench201 is
that of Dong & Yang 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from aca_ray.errors import ConfigError, unknown_name
from aca_ray.space.candidates import CANDIDATES, DARTS_CANDIDATES, NASBENCH201_CANDIDATES, NONE, SKIP
from aca_ray.space.topology import CELL_TYPES, DARTS_TOPOLOGY, NASBENCH201_TOPOLOGY, CellType, Topology

EdgeCandidates = tuple[str, ...]

DELETED: EdgeCandidates = (NONE,)  # the candidates of a deleted edge


@dataclass(frozen=True)
class Space:
    """The candidate operations of every edge; one that offers `none` alone is deleted.

    Attributes:
        name: the registry name, or the canonical text of a space by value.
        topology: nodes and edges of a cell.
        normal: one tuple of operation names per edge of the normal cell, in column order.
        reduce: the same for the reduction cell; empty where cells have one input, since a fixed residual block then
            replaces it.
        source: where the space comes from.
    """

    name: str
    topology: Topology
    normal: tuple[EdgeCandidates, ...]
    reduce: tuple[EdgeCandidates, ...]
    source: str = "ours"

    def __post_init__(self) -> None:
        for cell_type in CELL_TYPES:
            edges = self.candidates(cell_type)
            is_residual_block = cell_type == "reduce" and self.topology.num_inputs == 1
            num_edges = 0 if is_residual_block else len(self.topology.edges)
            if len(edges) != num_edges:
                raise ConfigError(f"space {self.name}.{cell_type}: needs {num_edges} edges, has {len(edges)}")
            for index, names in enumerate(edges):
                place = f"space {self.name}.{cell_type}[{index}]"
                if not names or len(set(names)) != len(names):
                    raise ConfigError(f"{place}: needs at least one candidate and none twice, has {names}")
                for name in names:
                    if name not in CANDIDATES:
                        raise ConfigError(unknown_name(place, "operation", name, CANDIDATES))

    @property
    def cell_types(self) -> tuple[CellType, ...]:
        """The cell types that have edges to search."""
        return tuple(cell_type for cell_type in CELL_TYPES if self.candidates(cell_type))

    def candidates(self, cell_type: CellType) -> tuple[EdgeCandidates, ...]:
        """Return the candidates of every edge of one cell type."""
        return self.normal if cell_type == "normal" else self.reduce

    def present(self, cell_type: CellType) -> tuple[int, ...]:
        """Return the indices of the edges of one cell type that are not deleted."""
        return tuple(index for index, names in enumerate(self.candidates(cell_type)) if names != DELETED)


def without_skip(space: Space) -> Space:
    """Return the space with `skip_connect` removed from every edge that has another candidate to derive.

    An edge whose only candidates are the skip (and none) keeps it. A space without skips is returned as the
    same object.

    Source: arXiv 2204.04681, abstract: skip connections are not searched.
    """

    def strip(names: EdgeCandidates) -> EdgeCandidates:
        rest = tuple(name for name in names if name != SKIP)
        return rest if any(name != NONE for name in rest) else names

    normal, reduce = tuple(map(strip, space.normal)), tuple(map(strip, space.reduce))
    if (normal, reduce) == (space.normal, space.reduce):
        return space
    return replace(space, name=f"{space.name}_without_skip", normal=normal, reduce=reduce)


_DARTS, _ROBUST_DARTS = "Liu et al. 2019 (DARTS)", "Zela et al. 2020 (RobustDARTS)"


def _uniform(name: str, candidates: EdgeCandidates, source: str) -> Space:
    edges = (candidates,) * len(DARTS_TOPOLOGY.edges)
    return Space(name, DARTS_TOPOLOGY, normal=edges, reduce=edges, source=source)


_SKIP, _MAX, _AVG = SKIP, "max_pool_3x3", "avg_pool_3x3"
_SEP3, _DIL3, _DIL5 = "sep_conv_3x3", "dil_conv_3x3", "dil_conv_5x5"
# Zela et al. 2020: the two best operations of each edge, found with DARTS.
_S1_NORMAL = (
    (_SKIP, _DIL3),
    (_SKIP, _DIL5),
    (_SKIP, _DIL5),
    (_SKIP, _SEP3),
    (_SKIP, _DIL3),
    (_MAX, _SKIP),
    (_SKIP, _SEP3),
    (_SKIP, _SEP3),
    (_SKIP, _DIL3),
    (_SKIP, _SEP3),
    (_MAX, _SKIP),
    (_SKIP, _DIL3),
    (_DIL3, _DIL5),
    (_DIL3, _DIL5),
)
_S1_REDUCE = (
    (_MAX, _AVG),
    (_MAX, _DIL3),
    (_MAX, _AVG),
    (_MAX, _AVG),
    (_SKIP, _DIL5),
    (_MAX, _AVG),
    (_MAX, _SEP3),
    (_SKIP, _DIL3),
    (_SKIP, _DIL5),
    (_MAX, _AVG),
    (_MAX, _AVG),
    (_SKIP, _DIL5),
    (_SKIP, _DIL5),
    (_SKIP, _DIL5),
)

SPACES: dict[str, Space] = {
    space.name: space
    for space in (
        _uniform("darts", DARTS_CANDIDATES, _DARTS),
        _uniform("darts_without_none", DARTS_CANDIDATES[1:], _DARTS),
        Space("s1", DARTS_TOPOLOGY, _S1_NORMAL, _S1_REDUCE, _ROBUST_DARTS),
        _uniform("s2", (_SKIP, _SEP3), _ROBUST_DARTS),
        _uniform("s3", (NONE, _SKIP, _SEP3), _ROBUST_DARTS),
        _uniform("s4", ("noise", _SEP3), _ROBUST_DARTS),
        Space(
            "nasbench201",
            NASBENCH201_TOPOLOGY,
            normal=(NASBENCH201_CANDIDATES,) * len(NASBENCH201_TOPOLOGY.edges),
            reduce=(),
            source="Dong & Yang 2020 (NAS-Bench-201)",
        ),
    )
}
