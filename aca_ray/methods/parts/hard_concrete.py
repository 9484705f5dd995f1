"""Hard-concrete gates: random numbers in [0, 1] that are exactly 0 or 1 with positive probability.

Source: Louizos et al. 2018, section 2.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOW, HIGH = -0.1, 1.1  # Louizos et al. 2018: the interval that a gate is stretched to before clamping


def draw_gates(logits: Tensor, temperature: float) -> Tensor:
    """Return one gate per logit, differentiable in the logits.

    Source: Louizos et al. 2018, equations 10 and 11.
    """
    noise = torch.rand_like(logits).logit()
    return (LOW + (HIGH - LOW) * torch.sigmoid((logits + noise) / temperature)).clamp(0.0, 1.0)


def open_probability(logits: Tensor, temperature: float) -> Tensor:
    """Return the probability that a gate is not 0.

    Source: Louizos et al. 2018, equation 12.
    """
    return torch.sigmoid(logits - temperature * math.log(-LOW / HIGH))


def open_strongest(alpha: Tensor, mask: Tensor, temperature: float, num_open: int, drop_probability: float) -> Tensor:
    """Return gates, exactly 1 for some candidates of every edge and 0 for the others, with the gradient of drawn gates.

    Every entry draws a hard-concrete gate, and the largest gates of an edge open. A second draw drops entries, which
    move behind all others. Ties are broken in a drawn order. Edges with fewer candidates open all.

    Args:
        alpha: (E, O) logits.
        mask: (E, O) True for real candidates; the other entries of the result are 0.
        temperature: temperature of the gates.
        num_open: number of gates that open on an edge.
        drop_probability: probability that an entry is dropped.

    Source: Zhou et al. 2020 (PR-DARTS), and its official code.
    """
    gates = draw_gates(alpha, temperature)
    dropped = torch.rand_like(alpha) < drop_probability
    ranks = (gates.detach() - dropped.to(gates)).masked_fill(~mask, -torch.inf)
    columns = torch.randperm(alpha.shape[1], device=alpha.device)
    best = columns[ranks[:, columns].argsort(dim=1, descending=True, stable=True)[:, :num_open]]
    is_open = torch.zeros_like(mask).scatter(1, best, True) & mask
    # The difference is exactly 0, so gates stay 0 or 1.
    return is_open.to(gates) + (gates - gates.detach()).where(mask, 0.0)
