"""Perturbed mixing weights, for weight steps that are robust in a neighborhood of the architecture.

The neighborhood of radius r contains the rows whose entries differ by at most r, clamped to [0, 1] and divided by their
sum. Entries that are 0, such as those without a candidate, stay 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.methods.loss import batch_loss
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.fixed_weights import logits_at_fixed_weights
from aca_ray.methods.views import WeightStep
from aca_ray.nn.mixing import Mixing
from aca_ray.space.topology import CELL_TYPES, CellType

FIRST_RADIUS = 0.03
ASCENT_STEPS = 7

Tables = dict[CellType, Tensor]


def growing_radius(end: float) -> Callable[[Moment], float]:
    """Return a radius that grows linearly from 0.03 in the first epoch, towards `end` after the last.

    Source: Chen & Hsieh 2020 (SmoothDARTS), official code.
    """
    return lambda moment: FIRST_RADIUS + (end - FIRST_RADIUS) * moment.progress


def onto_simplex(rows: Tensor, allowed: Tensor) -> Tensor:
    """Return (E, O) rows clamped to [0, 1] and divided by their sums, 0 where not allowed.

    A row without a positive allowed entry gets 1 at its largest allowed entry.

    Source: Chen & Hsieh 2020 (SmoothDARTS), official code.
    """
    inside = rows.clamp(0.0, 1.0).masked_fill(~allowed, 0.0)
    largest = rows.masked_fill(~allowed, -torch.inf).argmax(dim=1)
    inside = torch.where(inside.any(dim=1, keepdim=True), inside, functional.one_hot(largest, rows.shape[1]))
    return inside / inside.sum(dim=1, keepdim=True)


def random_neighbor(radius: Callable[[Moment], float]) -> Callable[[WeightStep], Mixing]:
    """Return the mixing weights with uniform noise in [-radius, radius].

    Source: Chen & Hsieh 2020 (SmoothDARTS) (random smoothing), and its official code.
    """

    def weight_mixing(step: WeightStep) -> Mixing:
        center = step.mixing().detach()
        return _with(center, _noisy(_tables(center), radius(step.moment)))

    return weight_mixing


def worst_neighbor(radius: Callable[[Moment], float]) -> Callable[[WeightStep], Mixing]:
    """Return the neighbor found by seven projected sign-gradient ascent steps on the loss of the step's batch.

    The network is in evaluation mode during the ascent and in training mode afterwards. If the ascent ends at a lower
    loss than that of the unperturbed mixing weights, those are returned.

    Source: Chen & Hsieh 2020 (SmoothDARTS) (adversarial training), and its official code.
    """

    def weight_mixing(step: WeightStep) -> Mixing:
        center = step.mixing().detach()
        images, labels = step.train

        def loss(tables: Mapping[CellType, Tensor]) -> Tensor:
            return batch_loss(logits_at_fixed_weights(step.network, images, _with(center, tables)), labels)

        step.network.eval()
        start, eps = _tables(center), radius(step.moment)
        rows = _noisy(start, eps)
        for _ in range(ASCENT_STEPS):
            leaves = {kind: table.requires_grad_() for kind, table in rows.items()}
            gradients = torch.autograd.grad(loss(leaves), tuple(leaves.values()))
            for (kind, table), gradient in zip(leaves.items(), gradients, strict=True):
                raised = table.detach() + 2.0 * eps / ASCENT_STEPS * gradient.sign()
                near = raised.clamp(start[kind] - eps, start[kind] + eps)
                rows[kind] = onto_simplex(near, start[kind] > 0.0)
        with torch.no_grad():
            is_worse = loss(rows) >= loss(start)
        step.network.train()
        return _with(center, {kind: torch.where(is_worse, row, start[kind]) for kind, row in rows.items()})

    return weight_mixing


def _noisy(tables: Tables, eps: float) -> Tables:
    return {
        kind: onto_simplex(table + torch.empty_like(table).uniform_(-eps, eps), table > 0.0)
        for kind, table in tables.items()
    }


def _tables(mixing: Mixing) -> Tables:
    """Return the (E, O) mixing weights of the cell types that have edges."""
    tables: Tables = {kind: mixing.cell(kind).operations for kind in CELL_TYPES}
    return {kind: table for kind, table in tables.items() if len(table)}


def _with(mixing: Mixing, tables: Mapping[CellType, Tensor]) -> Mixing:
    cells = {kind: replace(mixing.cell(kind), operations=table) for kind, table in tables.items()}
    return replace(mixing, **cells)
