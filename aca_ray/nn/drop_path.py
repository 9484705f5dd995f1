"""Drop path: whole samples of an output are dropped in training."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def drop_path(x: Tensor, probability: float, training: bool) -> Tensor:
    """Return (B, C, H, W), in training with random samples zeroed and others rescaled.

    A sample is zeroed with the given probability p, or else divided by 1 - p.

    Source: Larsson et al. 2017; DARTS' official code.
    """
    if not training or probability == 0.0:
        return x
    keep = 1.0 - probability
    mask = torch.empty(x.shape[0], 1, 1, 1, device=x.device, dtype=x.dtype)
    return x * (mask.bernoulli_(keep) / keep)


class DropPath(nn.Module):
    """Drop path on a module's output; the probability is 0 until it is set.

    Source: Larsson et al. 2017; DARTS' official code (on operations, never the
    identity); FairDARTS' (on the sum of a node's inputs).
    """

    rate: Tensor

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.probability = 0.0
        # The probability for compiled networks, which a new number would compile again.
        self.register_buffer("rate", torch.zeros(()), persistent=False)
        self.is_on = False

    def set(self, probability: float | None) -> None:
        """Set the probability, in [0, 1); None if it stays 0."""
        self.is_on = probability is not None
        self.probability = probability or 0.0
        self.rate.fill_(self.probability)

    def forward(self, x: Tensor) -> Tensor:
        output = self.inner(x)
        if not torch.compiler.is_compiling():
            return drop_path(output, self.probability, self.training)
        if not (self.training and self.is_on):
            return output
        drawn = torch.rand(output.shape[0], 1, 1, 1, device=output.device)
        return output * ((drawn >= self.rate) / (1.0 - self.rate)).to(output.dtype)
