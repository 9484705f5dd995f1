"""PR-DARTS: hard-concrete gates open two operations per edge, and penalties weigh them by their group."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from aca_ray.methods.core import SearchMethod, attached_mixing
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.arch_gradient import first_order
from aca_ray.methods.parts.derivation import top_two_pairs
from aca_ray.methods.parts.hard_concrete import open_probability, open_strongest
from aca_ray.methods.parts.relaxation import softmax_operations
from aca_ray.methods.parts.sampling import independent_images
from aca_ray.methods.parts.schedule import linear
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.views import ArchState
from aca_ray.nn.edges import SampledEdge
from aca_ray.nn.skeleton import norm_relu
from aca_ray.space.candidates import CANDIDATES, NONE, PARAMETRIC, SKIP
from aca_ray.space.spaces import Space
from aca_ray.space.topology import CellType
from aca_ray.transfer import to_device

# All from the official code.
OPEN_GATES = 2
DROP_PROBABILITY = 0.4
FIRST_TEMPERATURE, LAST_TEMPERATURE = 1.0, 0.1
THRESHOLD = 0.2
GROUPS = {
    "skip": frozenset({SKIP}),
    "convolution": PARAMETRIC | {NONE},
    "pooling": frozenset(name for name in CANDIDATES if name.endswith("pool_3x3")),
}
GROUP_SCALES = {"skip": 0.01, "convolution": 0.005, "pooling": 0.005}
PATH_SCALE = 0.005


def temperature(moment: Moment) -> float:
    """Return the gates' temperature, linear from 1 to 0.1 over the epochs.

    Source: Zhou et al. 2020 (PR-DARTS), official code.
    """
    return linear(FIRST_TEMPERATURE, LAST_TEMPERATURE, moment)


def two_gates(alpha: Tensor, mask: Tensor, moment: Moment) -> Tensor:
    """Return the gates drawn in a step, two of them open on every edge; see `open_strongest`.

    Source: Zhou et al. 2020 (PR-DARTS), and its official code.
    """
    return open_strongest(alpha, mask, temperature(moment), OPEN_GATES, DROP_PROBABILITY)


def group_penalty(state: ArchState) -> Tensor:
    """Return the cost of groups whose open gates exceed THRESHOLD in their mean probability.

    The sum over groups of scale * [S - 0.2]+, S the mean over cell types of the mean of P(gate > 0) over the group's
    gates that the forward pass opened; 0 without any. The group of the convolutions includes `none`.

    Source: Zhou et al. 2020 (PR-DARTS), official code; leaving `noise` out of all groups is ours.
    """
    costs = []
    for group, scale in GROUP_SCALES.items():
        means = [_open_mean(state, cell_type, GROUPS[group], dim=None)[0] for cell_type in state.space.cell_types]
        costs.append(scale * (torch.stack(means).mean() - THRESHOLD).relu())
    return torch.stack(costs).sum()


def path_penalty(state: ArchState) -> Tensor:
    """Return the negative reward of a deep path of convolutions.

    The reward is the mean over cell types of a product over the edges from each node to the next one. An edge's factor
    is the mean of P(gate > 0) over its open convolutions; edges without one are left out, and without any edge the
    product is 0.

    Source: Zhou et al. 2020 (PR-DARTS), official code.
    """
    products = []
    for cell_type in state.space.cell_types:
        chain = [index for index, (source, target) in enumerate(state.space.topology.edges) if target == source + 1]
        means, counts = (value[chain] for value in _open_mean(state, cell_type, PARAMETRIC, dim=1))
        products.append(means.where(counts > 0, 1.0).prod() * (counts > 0).any())
    return -PATH_SCALE * torch.stack(products).mean()


def _open_mean(state: ArchState, cell_type: CellType, group: frozenset[str], dim: int | None) -> tuple[Tensor, Tensor]:
    """Return the mean of P(gate > 0) over the open gates of a group (0 without any), and their number."""
    probabilities = open_probability(state.parameters[f"alpha_{cell_type}"], temperature(state.moment))
    is_open = state.mixing.cell(cell_type).operations.detach() != 0.0
    counted = is_open & to_device(_members(state.space, cell_type, group), is_open.device)
    counts = counted.sum(dim=dim)
    return (probabilities * counted).sum(dim=dim) / counts.clamp(min=1), counts


@cache
def _members(space: Space, cell_type: CellType, group: frozenset[str]) -> Tensor:
    """Return the (E, O) mask of the candidates that belong to a group; those of deleted edges belong to none."""
    edges, present = space.candidates(cell_type), space.present(cell_type)
    width = max(map(len, edges))
    rows = [[name in group and index in present for name in names] for index, names in enumerate(edges)]
    return torch.tensor([row + [False] * (width - len(row)) for row in rows])


METHOD = SearchMethod(
    name="pr_darts",
    title="PR-DARTS",
    source="Zhou et al. 2020, arXiv 2006.16537, and its official code (its N = 2 is 6 cells)",
    differs=(
        "batches of search_valid are always full; batch norms keep running statistics (none in the official code); "
        "`noise` is in no group"
    ),
    changes=(
        "draws two operations per edge by hard-concrete gates; penalties on skips and shallow paths; updates the "
        "weights before the architecture"
    ),
    relax_operations=two_gates,
    settle_operations=softmax_operations,
    build_edge=SampledEdge,
    build_head=norm_relu,
    draw_valid=independent_images,
    weight_mixing=attached_mixing,
    arch_gradient=first_order,
    derive=top_two_pairs,
    penalties=(group_penalty, path_penalty),
    updates=("weights", "architecture"),
    recipe=Recipe(batch_size=250, nesterov=True, weight_decay=5e-4),
)
