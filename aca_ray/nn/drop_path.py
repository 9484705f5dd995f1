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

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.probability = 0.0

    def forward(self, x: Tensor) -> Tensor:
        return drop_path(self.inner(x), self.probability, self.training)
