"""A derivation that limits the skip connections."""

from __future__ import annotations

from aca_ray.methods.parts.derivation import Option, assemble, two_per_node
from aca_ray.nn.mixing import Mixing
from aca_ray.space.candidates import SKIP
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space


def top_two_with_few_skips(mixing: Mixing, space: Space, max_skips: int) -> Genotype:
    """Return the genotype of the two strongest edges of every node, with a limit on the skips of the normal cell.

    While there are more than `max_skips`, the strength of the weakest kept skip is set to 0 and the edges are chosen
    again. More skips remain only if the space offers nothing else.

    Source: Chen et al. 2019 (P-DARTS), section 3.3, and its official code.
    """
    while True:
        kept = {cell_type: two_per_node(mixing, space, cell_type) for cell_type in space.cell_types}
        skips = [option for option in kept["normal"] if option.kept.operation == SKIP]
        strong = [option for option in skips if option.strength > 0.0]
        if len(skips) <= max_skips or not strong:
            return assemble(kept)
        mixing = _without(mixing, space, min(strong))


def _without(mixing: Mixing, space: Space, option: Option) -> Mixing:
    """Return the mixing weights with that of an option of the normal cell set to 0."""
    edge = space.topology.edges.index(option.kept.edge)
    row = mixing.normal.operations[edge].clone()
    row[space.normal[edge].index(option.kept.operation)] = 0.0
    return mixing.with_row("normal", edge, row)
