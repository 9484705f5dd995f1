"""beta-DARTS: a regularizer keeps the mixing weights of an edge close to each other."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import torch
from torch import Tensor

from aca_ray.methods import darts
from aca_ray.methods.core import Penalty, SearchMethod, attached_mixing
from aca_ray.methods.settings import Bounds
from aca_ray.methods.views import ArchState
from aca_ray.nn.mixing import candidate_mask
from aca_ray.transfer import to_device

SCHEDULE_EPOCHS = 100  # official code: regardless of the search's length


def beta_decay(scale: float) -> Penalty:
    """Return the penalty scale * epoch/100 * R, where R sums the mean logsumexp of a cell's rows over the cells.

    Only real candidates count, and only edges that are not deleted. The gradient of R is the softmax of a row divided
    by the number of rows.

    Source: Ye et al. 2022 (beta-DARTS), and its official code; the sum over two cells is our reading.
    """

    def penalty(state: ArchState) -> Tensor:
        total = next(iter(state.parameters.values())).new_zeros(())
        for cell_type in state.space.cell_types:
            alpha = state.parameters[f"alpha_{cell_type}"]
            mask = to_device(candidate_mask(state.space, cell_type), alpha.device)
            rows = alpha.masked_fill(~mask, -torch.inf).logsumexp(dim=1)
            present = state.space.present(cell_type)
            if len(present) < len(rows):
                rows = rows.index_select(0, to_device(torch.tensor(present), rows.device))
            total = total + rows.mean()
        return scale * state.moment.epoch / SCHEDULE_EPOCHS * total

    return penalty


def build(*, scale: Annotated[float, Bounds(0.0, 1000.0)] = 50.0) -> SearchMethod:
    """Return beta-DARTS with a regularizer whose weight reaches `scale` in epoch 100. Source: Ye et al. 2022."""
    return replace(
        darts.METHOD,
        name="beta_darts",
        title="beta-DARTS",
        source="Ye et al. 2022, arXiv 2203.01665, and its official code (weight grows by 0.5 per epoch at any budget)",
        differs=(
            "sums the terms of two cell types (our reading); the cosine learning rate starts at epoch 0 "
            "(one epoch ahead in the official code with PyTorch 1.1 and later)"
        ),
        changes="a regularizer on the logits whose weight grows every epoch",
        penalties=(beta_decay(scale),),
        one_input=lambda method: replace(method, weight_mixing=attached_mixing),
    )


METHOD = build()
