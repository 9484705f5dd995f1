"""SP-DARTS: a softmax of low temperature makes mixing weights sparse, in a growing share of the steps."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Annotated

from torch import Tensor

from aca_ray.methods import darts
from aca_ray.methods.core import OperationRelaxation, SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.derivation import Option, assemble, options, strongest, strongest_by_edge
from aca_ray.methods.parts.relaxation import masked_softmax
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.settings import Bounds
from aca_ray.nn.mixing import Mixing
from aca_ray.space.genotype import Genotype
from aca_ray.space.spaces import Space
from aca_ray.space.topology import KEPT_PER_NODE, CellType

WARM_TEMPERATURE = 1.0
DENSE_FACTOR = 10.0
DECIMALS = 4


def settled_temperature(temperature: float, moment: Moment) -> float:
    """Return the temperature t of an epoch: 1 in the first, `temperature` in the others.

    Source: Zhang & Ding 2023 (arXiv 2306.06858), official code.
    """
    return WARM_TEMPERATURE if moment.epoch == 0 else temperature


def mixed_sparsity(temperature: float) -> OperationRelaxation:
    """Return softmax(alpha/t) in a share of the steps that grows from 0 to 1, and softmax(alpha/10t) in the others.

    Both updates of a step use the same temperature.

    Source: Zhang & Ding 2023 (arXiv 2306.06858), mixed-sparsity training, and its official code.
    """

    def relax(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
        is_sparse = Random(moment.step_seed).random() < moment.ramp
        factor = 1.0 if is_sparse else DENSE_FACTOR
        return masked_softmax(alpha / (factor * settled_temperature(temperature, moment)), mask)

    return relax


def sparse(temperature: float) -> OperationRelaxation:
    """Return softmax(alpha/t). Source: Zhang & Ding 2023 (arXiv 2306.06858), official code."""
    return lambda alpha, mask, moment: masked_softmax(alpha / settled_temperature(temperature, moment), mask)


def top_two_rounded(mixing: Mixing, space: Space) -> Genotype:
    """Return the genotype that keeps, for every node, the two edges with the strongest operation, to four decimals.

    Ties go to the larger source node and to the earlier candidate.

    Source: Zhang & Ding 2023 (arXiv 2306.06858), official code.
    """

    def kept(cell_type: CellType) -> list[Option]:
        edges = [
            [Option(round(strength, DECIMALS), edge) for strength, edge in found]
            for found in options(mixing, space, cell_type)
        ]
        by_node = (strongest_by_edge(edges, space.topology, node) for node in space.topology.intermediate_nodes)
        return [option for incoming in by_node for option in strongest(reversed(incoming), KEPT_PER_NODE)]

    return assemble({cell_type: kept(cell_type) for cell_type in space.cell_types})


def build(*, temperature: Annotated[float, Bounds(1e-5, 1.0)] = 1e-3) -> SearchMethod:
    """Return SP-DARTS with a temperature, which also scales the initial logits. Source: Zhang & Ding 2023."""
    return replace(
        darts.METHOD,
        name="sp_darts",
        title="SP-DARTS",
        source="Zhang & Ding 2023, arXiv 2306.06858, and its official code for the DARTS space",
        differs="the same in every space; measures losses at the temperature of the derivation, not a tenth of it",
        changes="a softmax of low temperature; ten times that temperature in a shrinking share of the steps",
        relax_operations=mixed_sparsity(temperature),
        settle_operations=sparse(temperature),
        derive=top_two_rounded,
        initial_std=temperature,
        recipe=Recipe(batch_size=80, weight_lr=0.05, weight_lr_min=0.05, arch_weight_decay=0.0),
    )


METHOD = build()
