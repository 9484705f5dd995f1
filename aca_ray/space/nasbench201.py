"""Architecture strings of NAS-Bench-201.

Source: Dong & Yang 2020 (NAS-Bench-201), section 2.1, and its official code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, product

from aca_ray.errors import ConfigError, unknown_name
from aca_ray.space.candidates import NASBENCH201_CANDIDATES, NONE, published_name
from aca_ray.space.genotype import RESIDUAL_BLOCK, CellGenotype, Genotype, KeptEdge
from aca_ray.space.topology import NASBENCH201_TOPOLOGY

_EDGES = NASBENCH201_TOPOLOGY.edges
_OUTPUT = tuple(NASBENCH201_TOPOLOGY.output_nodes)
_CANDIDATES = {published_name(operation): operation for operation in NASBENCH201_CANDIDATES}


def all_architecture_strings() -> Iterator[str]:
    """Yield all 15,625 architectures: operations in canonical order, the last edge changing fastest."""
    for operations in product(_CANDIDATES, repeat=len(_EDGES)):
        yield _string_of(operations)


def uniform_architecture_string(operation: str) -> str:
    """Return the architecture with the same operation on all six edges."""
    return _string_of([published_name(operation)] * len(_EDGES))


def architecture_string(genotype: Genotype) -> str:
    """Return a genotype of the space as the benchmark writes it, such as ``|a~0|+|b~0|c~1|+|d~0|e~1|f~2|``.

    Raises:
        ConfigError: the genotype is not from the space.
    """
    cell = genotype.normal
    operations = {kept.edge: kept.operation for kept in cell.edges}
    if (
        (cell.num_inputs, cell.concat) != (NASBENCH201_TOPOLOGY.num_inputs, _OUTPUT)
        or len(operations) != len(cell.edges)
        or not set(operations.values()) <= set(NASBENCH201_CANDIDATES)
    ):
        raise ConfigError(
            f"architecture string: needs a cell of one input with output {_OUTPUT}, at most one operation per edge, "
            f"all of {', '.join(NASBENCH201_CANDIDATES)}; found {cell}"
        )
    return _string_of([published_name(operations.get(edge, NONE)) for edge in _EDGES])


def _string_of(operations: Sequence[str]) -> str:
    """Return the string of one operation per edge, by published name."""
    pairs = zip(_EDGES, operations, strict=True)
    return "+".join(
        "|" + "".join(f"{operation}~{edge.source}|" for edge, operation in node)
        for _, node in groupby(pairs, key=lambda pair: pair[0].target)
    )


def parse_architecture_string(text: str) -> Genotype:
    """Return the genotype that the benchmark writes as `text`, or raise ConfigError."""
    pairs = [pair.partition("~") for pair in text.replace("+", "").split("|") if pair]
    for name, _, _ in pairs:
        if name not in _CANDIDATES:
            raise ConfigError(unknown_name("architecture string", "operation", name, _CANDIDATES))
    kept = tuple(
        KeptEdge(_CANDIDATES[name], *edge) for (name, _, _), edge in zip(pairs, _EDGES, strict=False) if name != NONE
    )
    genotype = Genotype(CellGenotype(kept, _OUTPUT, NASBENCH201_TOPOLOGY.num_inputs), RESIDUAL_BLOCK)
    # Finds every other mistake: only a well-formed string is reproduced from what was read.
    if architecture_string(genotype) != text:
        raise ConfigError(f"architecture string: needs the form |op~0|+|op~0|op~1|+|op~0|op~1|op~2|, found {text!r}")
    return genotype
