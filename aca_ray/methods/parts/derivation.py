"""From mixing weights to a genotype."""

from __future__ import annotations

from aca_ray.nn.mixing import Mixing
from aca_ray.space.candidates import NONE
from aca_ray.space.genotype import CellGenotype, Genotype, KeptEdge
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType

KEPT_PER_NODE = 2


def top_two(mixing: Mixing, space: Space) -> Genotype:
    """Return the genotype that keeps, for every node, the two incoming edges with the strongest operation.

    The strength of an operation is its mixing weight, times its edge's weight where edges are weighted. `none` takes
    part in the softmax but is never derived. Ties go to the smaller source node and to the earlier candidate; the two
    edges of a node are listed strongest first.

    Source: Liu et al. 2019 (DARTS), section 2.4; with edge weights, Xu et al. 2020 (PC-DARTS), section 3.3.
    """

    def cell(cell_type: CellType) -> CellGenotype:
        weights = mixing.cell(cell_type)
        strengths = weights.operations.detach()
        if weights.edges is not None:
            strengths = strengths * weights.edges.detach()[:, None]
        best: list[tuple[float, str]] = []
        for row, names in zip(strengths.tolist(), space.candidates(cell_type), strict=True):
            derivable = [(value, name) for value, name in zip(row, names, strict=False) if name != NONE]
            best.append(max(derivable, key=lambda pair: pair[0]))  # max keeps the first of equals
        kept: list[KeptEdge] = []
        for node in space.topology.intermediate_nodes:
            ranked = sorted(space.topology.incoming(node), key=lambda index: -best[index][0])  # sorted is stable
            for index in ranked[:KEPT_PER_NODE]:
                kept.append(KeptEdge(best[index][1], space.topology.edges[index].source, node))
        return CellGenotype(tuple(kept), tuple(space.topology.intermediate_nodes))

    return Genotype(normal=cell("normal"), reduce=cell("reduce"))
