"""Decisions by the accuracy of the supernet without a candidate or an edge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from aca_ray.methods.views import StageView
from aca_ray.nn.mixing import Mixing
from aca_ray.space.candidates import NONE
from aca_ray.space.spaces import DELETED, EdgeCandidates
from aca_ray.space.topology import KEPT_PER_NODE, CellType

# From a stage's view, the current mixing weights and a cell type to the remaining candidates by edge index.
Decision = Callable[[StageView, Mixing, CellType], dict[int, EdgeCandidates]]


def decide_operation(view: StageView, mixing: Mixing, cell_type: CellType) -> dict[int, EdgeCandidates]:
    """Return the one candidate of a randomly drawn undecided edge without which the accuracy is lowest.

    The mixing weights of the other candidates do not change. Ties go to the earlier candidate. In cells of one input,
    whose genotypes may lack edges, `none` is a candidate like the others.

    Source: Wang et al. 2021 (DARTS-PT), algorithm 1, and its official code; never choosing `none` in cells of two
    inputs is ours, since no genotype contains it.
    """
    candidates = view.space.candidates(cell_type)
    undecided = [edge for edge, names in enumerate(candidates) if len(names) > 1]
    if not undecided:
        return {}
    edge = _draw(undecided, view.generator)
    names = candidates[edge]

    def correct_without(name: str) -> int:
        row = mixing.cell(cell_type).operations[edge].clone()
        row[names.index(name)] = 0.0
        return num_correct(view, mixing.with_row(cell_type, edge, row))

    choices = names if view.space.topology.num_inputs == 1 else [name for name in names if name != NONE]
    return {edge: (min(choices, key=correct_without),)}  # min keeps the first of equals


def decide_inputs(view: StageView, mixing: Mixing, cell_type: CellType) -> dict[int, EdgeCandidates]:
    """Return the edges to remove from a randomly drawn node: all but the two without which the accuracy is lowest.

    Every edge is scored with all the others in place. Ties keep the earlier edges.

    Source: Wang et al. 2021 (DARTS-PT), algorithm 2, and its official code.
    """
    topology, candidates = view.space.topology, view.space.candidates(cell_type)
    present = [
        [edge for edge in topology.incoming(node) if candidates[edge] != DELETED]
        for node in topology.intermediate_nodes
    ]
    undecided = [edges for edges in present if len(edges) > KEPT_PER_NODE]
    if not undecided:
        return {}
    edges = undecided[_draw(range(len(undecided)), view.generator)]

    def correct_without(edge: int) -> int:
        row = torch.zeros_like(mixing.cell(cell_type).operations[edge])
        return num_correct(view, mixing.with_row(cell_type, edge, row))

    return dict.fromkeys(sorted(edges, key=correct_without)[KEPT_PER_NODE:], DELETED)  # sorted is stable


@torch.no_grad()
def num_correct(view: StageView, mixing: Mixing) -> int:
    """Return the number of search_valid images that the supernet, in training mode, classifies correctly.

    Images are augmented and shuffled again for every candidate, as for training.

    Source: Wang et al. 2021 (DARTS-PT), official code.
    """
    batches = view.augmented_valid_batches()
    return sum(int((view.network(images, mixing).argmax(dim=1) == labels).sum()) for images, labels in batches)


def _draw(items: Sequence[int], generator: torch.Generator) -> int:
    return items[int(torch.randint(len(items), (), generator=generator))]
