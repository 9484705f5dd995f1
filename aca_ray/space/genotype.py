"""What a search finds: the kept edges of both cells and the operation on each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aca_ray.errors import ConfigError, unknown_name
from aca_ray.space.candidates import CANDIDATES, NONE, PARAMETRIC, SKIP
from aca_ray.space.topology import CellType, Edge

SCHEMA = "aca_ray.genotype"
SCHEMA_VERSION = 1


class KeptEdge(NamedTuple):
    """An edge of the derived cell: `operation` applied to node `source`, summed into node `target`."""

    operation: str
    source: int
    target: int

    @property
    def edge(self) -> Edge:
        """The edge of the search space's cell that this is."""
        return Edge(self.source, self.target)


@dataclass(frozen=True)
class CellGenotype:
    """One derived cell.

    Attributes:
        edges: the kept edges, node-major; within a node in the order that the derivation gives (best first).
        concat: the nodes whose outputs are concatenated to the cell's output.
    """

    edges: tuple[KeptEdge, ...]
    concat: tuple[int, ...]

    def __post_init__(self) -> None:
        present = {0, 1}
        for edge in self.edges:
            if edge.operation not in CANDIDATES or edge.operation == NONE:
                raise ConfigError(unknown_name("genotype", "operation", edge.operation, CANDIDATES - {NONE}))
            if edge.source not in present or edge.source >= edge.target or edge.target < max(2, *present):
                raise ConfigError(
                    f"genotype: edge {tuple(edge)} reads node {edge.source}, which no earlier edge computes, or adds "
                    "to a node that is already done; list edges node by node, each source before its readers"
                )
            present.add(edge.target)
        missing = [node for node in self.concat if node not in present or node < 2 or self.concat.count(node) > 1]
        if missing or not self.concat:
            raise ConfigError(
                f"genotype: concat {self.concat} must name computed nodes, each once, and be non-empty; bad: {missing}"
            )

    @property
    def nodes(self) -> tuple[int, ...]:
        """The computed nodes, in order of computation."""
        return tuple(dict.fromkeys(edge.target for edge in self.edges))


@dataclass(frozen=True)
class Genotype:
    """The two derived cells of a network."""

    normal: CellGenotype
    reduce: CellGenotype

    def cell(self, cell_type: CellType) -> CellGenotype:
        """Return the derived cell of one type."""
        return self.normal if cell_type == "normal" else self.reduce

    @property
    def num_skips(self) -> int:
        """Number of kept edges, over both cells, whose operation is a skip connection."""
        return sum(edge.operation == SKIP for edge in (*self.normal.edges, *self.reduce.edges))

    @property
    def num_parametric(self) -> int:
        """Number of kept edges, over both cells, whose operation has weights (a skip connection never counts)."""
        return sum(edge.operation in PARAMETRIC for edge in (*self.normal.edges, *self.reduce.edges))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value that `from_json` reads back to an equal genotype."""

        def cell(value: CellGenotype) -> dict[str, Any]:
            return {"edges": [list(edge) for edge in value.edges], "concat": list(value.concat)}

        return {
            "schema": SCHEMA,
            "version": SCHEMA_VERSION,
            "normal": cell(self.normal),
            "reduce": cell(self.reduce),
        }

    @staticmethod
    def from_json(value: Mapping[str, Any]) -> Genotype:
        """Return the genotype of a JSON value, or raise ConfigError."""
        if value.get("schema") != SCHEMA or value.get("version") != SCHEMA_VERSION:
            raise ConfigError(
                f"genotype: needs schema {SCHEMA!r} version {SCHEMA_VERSION}, "
                f"found {value.get('schema')!r} version {value.get('version')!r}"
            )
        try:
            cells = [
                CellGenotype(
                    tuple(
                        KeptEdge(str(name), int(source), int(target)) for name, source, target in value[cell]["edges"]
                    ),
                    tuple(int(node) for node in value[cell]["concat"]),
                )
                for cell in ("normal", "reduce")
            ]
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigError(
                f"genotype: malformed JSON ({error!r}); cells are {{edges: [[operation, source, target], ...], concat}}"
            ) from error
        return Genotype(*cells)
