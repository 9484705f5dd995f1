"""FairDARTS: candidates do not compete, and the genotype keeps those with a mixing weight close to 1."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from aca_ray.methods import darts
from aca_ray.methods.core import Derivation, Penalty, SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.derivation import Option, assemble, two_per_node
from aca_ray.methods.parts.refusals import cells_of_one_input, first_reason
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.settings import Bounds
from aca_ray.methods.views import ArchState
from aca_ray.nn.mixing import Mixing, candidate_mask
from aca_ray.space.candidates import NONE
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType
from aca_ray.transfer import to_device


def sigmoid_operations(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return the (E, O) sigmoids of the logits, 0 where the mask is False.

    Source: Chu et al. 2020 (FairDARTS).
    """
    return alpha.sigmoid().masked_fill(~mask, 0.0)


def _of_candidates(weights: Tensor, space: Space, kind: CellType) -> Tensor:
    """Return the entries of (E, O) weights that belong to a candidate of an edge, unless it is deleted, as a vector."""
    mask = candidate_mask(space, kind)
    present = torch.tensor([index in space.present(kind) for index in range(len(mask))])
    places = (mask & present[:, None]).flatten().nonzero().squeeze(1)
    return weights.flatten().index_select(0, to_device(places, weights.device))


def zero_one_loss(weight: float) -> Penalty:
    """Return the penalty -weight * mean (s - 0.5)^2 over the mixing weights s of all real candidates of both cells.

    Source: Chu et al. 2020 (FairDARTS), and its official code.
    """

    def penalty(state: ArchState) -> Tensor:
        space = state.space
        values = [_of_candidates(state.mixing.cell(kind).operations, space, kind) for kind in space.cell_types]
        return -weight * (torch.cat(values) - 0.5).square().mean()

    return penalty


def above(threshold: float) -> Derivation:
    """Return the derivation that keeps, of the two strongest edges into every node, those that reach a threshold.

    Nodes without an input are removed, together with the edges that read them.

    Source: Chu et al. 2020 (FairDARTS), official code (`threshold_sparse`). Ours: a cell in which no edge reaches the
    threshold keeps both edges of every node, since no network would remain.
    """

    def derive(mixing: Mixing, space: Space) -> Genotype:
        def kept(cell_type: CellType) -> list[Option]:
            strongest = two_per_node(mixing, space, cell_type)
            alive = set(range(space.topology.num_inputs))
            reached = []
            for option in strongest:  # node-major: a source is decided before the edges that read it
                if option.strength >= threshold and option.kept.source in alive:
                    reached.append(option)
                    alive.add(option.kept.target)
            return reached or strongest

        return assemble({cell_type: kept(cell_type) for cell_type in space.cell_types})

    return derive


def none_beside_others(space: Space) -> str | None:
    """Refuse spaces with an edge that offers `none` beside other candidates. Source: ours."""
    if any(NONE in space.candidates(kind)[edge] for kind in space.cell_types for edge in space.present(kind)):
        return "offers none, whose weight would never be updated: it computes nothing and does not compete"
    return None


def build(
    *,
    zero_one_weight: Annotated[float, Bounds(0.0, 1000.0)] = 10.0,
    threshold: Annotated[float, Bounds(0.0, 1.0)] = 0.85,
) -> SearchMethod:
    """Return FairDARTS with a weight of the zero-one loss and a threshold. Source: Chu et al. 2020."""
    return replace(
        darts.METHOD,
        name="fair_darts",
        title="FairDARTS",
        source="Chu et al. 2020, arXiv 1911.12126, and its official code",
        differs=(
            "a cell in which no edge reaches the threshold keeps two edges per node, since no network would remain"
        ),
        changes="sigmoids instead of the softmax, a zero-one loss, edges kept above a threshold",
        relax_operations=sigmoid_operations,
        penalties=(zero_one_loss(zero_one_weight),),
        derive=above(threshold),
        initial_std=0.0,
        refuses=first_reason(cells_of_one_input, none_beside_others),
        recipe=Recipe(batch_size=128, weight_lr=0.005, arch_lr=3e-3, arch_betas=(0.9, 0.999)),
    )


METHOD = build()
