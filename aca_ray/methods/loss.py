"""The loss of weights and architecture."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional


def batch_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean cross-entropy of a batch, a scalar."""
    return functional.cross_entropy(logits, labels)
