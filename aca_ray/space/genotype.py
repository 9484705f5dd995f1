"""Genotypes, the results of searches: the kept edges of both cells and their operations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aca_ray.errors import ConfigError, shortened, unknown_name
from aca_ray.space.candidates import CANDIDATES, NONE, PARAMETRIC, SKIP
from aca_ray.space.schema import require_schema
from aca_ray.space.topology import CellType, Edge

SCHEMA = "aca_ray.genotype"
SCHEMA_VERSION = 1

MOST_NODES = 32  # of a cell, inputs included; cells of the DARTS space have six
MOST_EDGES = MOST_NODES * (MOST_NODES - 1) // 2  # of a cell in which every node reads all earlier nodes


class KeptEdge(NamedTuple):
    """An edge of the derived cell: `operation` applied to node `source`, summed into node `target`."""

    operation: str
    source: int
    target: int

    @property
    def edge(self) -> Edge:
        """The corresponding edge of the search space's cell."""
        return Edge(self.source, self.target)


@dataclass(frozen=True)
class CellGenotype:
    """One derived cell.

    Attributes:
        edges: the kept edges, node-major; within a node in the order of the derivation (best first).
        concat: the nodes whose outputs are concatenated to the cell's output.
        num_inputs: 2 for a cell of the DARTS skeleton, 1 for one of the residual skeleton of NAS-Bench-201. A cell of
            one input has all nodes up to its only output; nodes without incoming edges are zero.
    """

    edges: tuple[KeptEdge, ...]
    concat: tuple[int, ...]
    num_inputs: int = 2

    def __post_init__(self) -> None:
        highest = max((*(edge.target for edge in self.edges), *self.concat), default=0)
        if highest >= MOST_NODES:
            raise ConfigError(
                f"genotype: nodes must be numbered from 0 to {MOST_NODES - 1}, found {shortened(highest)}"
            )
        if self.num_inputs == 2:
            self._check_two_inputs()
        elif self.num_inputs == 1:
            self._check_one_input()
        else:
            raise ConfigError(f"genotype: num_inputs must be 1 or 2, found {self.num_inputs}")

    def _check_two_inputs(self) -> None:
        present = {0, 1}
        for edge in self.edges:
            _check_operation(edge)
            if edge.source not in present or edge.source >= edge.target or edge.target < max(2, *present):
                raise ConfigError(
                    f"genotype: edge {tuple(edge)} reads node {edge.source}, which no earlier edge computes, or adds "
                    "to a node that is already complete; list edges node by node, each source before its readers"
                )
            present.add(edge.target)
        missing = [node for node in self.concat if node not in present or node < 2 or self.concat.count(node) > 1]
        if missing or not self.concat:
            raise ConfigError(
                f"genotype: concat {self.concat} must list computed nodes, each once, at least one; wrong: {missing}"
            )

    def _check_one_input(self) -> None:
        if len(self.concat) > 1 or any(node < 1 for node in self.concat):
            raise ConfigError(f"genotype: a cell of one input needs one output node, at least 1, found {self.concat}")
        for edge in self.edges:
            _check_operation(edge)
            if not 0 <= edge.source < edge.target or edge.target not in self.nodes:
                raise ConfigError(
                    f"genotype: edge {tuple(edge)} must run from a node to a later one of {(0, *self.nodes)}"
                )
        targets = [edge.target for edge in self.edges]
        if targets != sorted(targets):
            raise ConfigError(f"genotype: list edges node by node, found targets in the order {targets}")

    @property
    def nodes(self) -> tuple[int, ...]:
        """The intermediate nodes, in order of computation."""
        if self.num_inputs == 1:
            return tuple(range(1, 1 + max(self.concat, default=0)))
        return tuple(dict.fromkeys(edge.target for edge in self.edges))


def _check_operation(edge: KeptEdge) -> None:
    if edge.operation not in CANDIDATES or edge.operation == NONE:
        raise ConfigError(unknown_name("genotype", "operation", edge.operation, CANDIDATES - {NONE}))


# Replaces the reduction cell where cells have one input: the residual block is fixed, so nothing is derived.
RESIDUAL_BLOCK = CellGenotype(edges=(), concat=(), num_inputs=1)


@dataclass(frozen=True)
class Genotype:
    """The two derived cells of a network; `reduce` is RESIDUAL_BLOCK exactly where cells have one input."""

    normal: CellGenotype
    reduce: CellGenotype

    def __post_init__(self) -> None:
        if not self.normal.concat or (self.normal.num_inputs == 1) != (self.reduce == RESIDUAL_BLOCK):
            raise ConfigError(
                "genotype: a normal cell of two inputs needs a reduction cell of two inputs; one of one input needs a "
                f"reduction without edges and concat; found normal {self.normal} and reduce {self.reduce}"
            )

    @property
    def num_inputs(self) -> int:
        """Number of inputs of every cell, which determines the skeleton."""
        return self.normal.num_inputs

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
            num_inputs = {} if value.num_inputs == 2 else {"num_inputs": value.num_inputs}
            return {"edges": [list(edge) for edge in value.edges], "concat": list(value.concat), **num_inputs}

        return {
            "schema": SCHEMA,
            "version": SCHEMA_VERSION,
            "normal": cell(self.normal),
            "reduce": cell(self.reduce),
        }

    @staticmethod
    def from_json(value: Any) -> Genotype:
        """Return the genotype in a JSON value, or raise ConfigError."""
        require_schema(value, "genotype", SCHEMA, SCHEMA_VERSION)
        return Genotype(_cell_from_json("normal", value.get("normal")), _cell_from_json("reduce", value.get("reduce")))


def _cell_from_json(name: str, value: Any) -> CellGenotype:
    """Return a cell of a genotype in JSON; numbers and names are not converted."""
    if not isinstance(value, Mapping):
        raise _malformed(name, "{edges, concat}", value)
    edges, concat, num_inputs = value.get("edges"), value.get("concat"), value.get("num_inputs", 2)
    if not isinstance(edges, list) or len(edges) > MOST_EDGES:
        raise _malformed(f"{name}.edges", f"a list of at most {MOST_EDGES} edges", edges)
    for index, edge in enumerate(edges):
        is_edge = isinstance(edge, list) and len(edge) == 3 and isinstance(edge[0], str)
        if not is_edge or type(edge[1]) is not int or type(edge[2]) is not int:
            raise _malformed(f"{name}.edges[{index}]", "[operation, source, target]", edge)
    if not isinstance(concat, list) or len(concat) > MOST_NODES or any(type(node) is not int for node in concat):
        raise _malformed(f"{name}.concat", f"a list of at most {MOST_NODES} nodes", concat)
    if type(num_inputs) is not int:
        raise _malformed(f"{name}.num_inputs", "1 or 2", num_inputs)
    return CellGenotype(tuple(KeptEdge(*edge) for edge in edges), tuple(concat), num_inputs)


def _malformed(place: str, rule: str, found: object) -> ConfigError:
    return ConfigError(f"genotype: malformed JSON: {place} must be {rule}, found {shortened(found)}")
