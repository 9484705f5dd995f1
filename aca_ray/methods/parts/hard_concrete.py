"""Hard-concrete gates: random numbers in [0, 1] that are exactly 0 or 1 with positive probability.

Source: Louizos et al. 2018, section 2.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

LOW, HIGH = -0.1, 1.1  # Louizos et al. 2018: the interval to which a gate is stretched before it is clamped


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
