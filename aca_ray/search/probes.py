"""Metrics of the architecture during a search, for observation only."""

from __future__ import annotations

import torch

from aca_ray.nn.mixing import Mixing, candidate_mask
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space


def architecture_probes(mixing: Mixing, space: Space, genotype: Genotype) -> dict[str, float]:
    """Return the mean entropy of the mixing weights, and the genotype's numbers of skips and parametric operations.

    The entropy of an edge is divided by the logarithm of its number of candidates, so that 1 is undecided and 0
    decided. Edges with one candidate are left out; if no edge is left, the entropy is 0.
    """
    entropies = []
    for cell_type in space.cell_types:
        mask = candidate_mask(space, cell_type)
        weights = mixing.cell(cell_type).operations.cpu()
        counts = mask.sum(dim=1)
        shares = weights / weights.sum(dim=1, keepdim=True)
        entropy = torch.special.entr(shares.clamp(min=0.0)).sum(dim=1)
        open_edges = counts > 1
        entropies.append(entropy[open_edges] / counts[open_edges].log())
    joined = torch.cat(entropies)
    return {
        "arch/entropy": float(joined.mean()) if len(joined) else 0.0,
        "arch/skip_count": float(genotype.num_skips),
        "arch/parametric_count": float(genotype.num_parametric),
    }
