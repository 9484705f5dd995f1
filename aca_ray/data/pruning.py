"""Data pruning: leaving images out while a search runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Protocol, get_args

from torch import Tensor

Split = Literal["search_train", "search_valid"]
SPLITS: tuple[Split, ...] = get_args(Split)


class DataPruner(Protocol):
    """Decides which images of both splits a search still uses.

    Attributes:
        since: epoch at whose start the images in use last changed; 0 at first.
    """

    since: int

    def kept(self, split: Split) -> Tensor:
        """Return the rows, (N,) int64 and ascending, of a split's images that are in use."""
        ...

    def record(self, split: Split, rows: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Record the supernet's predictions on a batch.

        Args:
            split: split of the batch.
            rows: (B,) positions of the images in `kept(split)`.
            logits: (B, K) logits, outside the autograd graph.
            labels: (B,) classes.
        """
        ...

    def prune(self, epoch: int, num_epochs: int) -> bool:
        """Prune images at the start of a 0-based epoch; return whether any were."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the state as nested dicts and lists of tensors and plain values."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a state that `state_dict` returned."""
        ...
