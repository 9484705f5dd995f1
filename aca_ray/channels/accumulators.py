"""Accumulation of the scores of one edge over batches of images."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor
from torch.nn import functional


class EdgeBatch(NamedTuple):
    """One batch of images at one kept edge; no tensor here carries a gradient.

    Attributes:
        input: (B, C, H, W) input of the edge.
        output: (B, C, H', W') output of the kept operation.
        weight: () mixing weight of the operation.
        labels: (B,) classes of the images.
        gradient: (B, C, H', W') derivative of each image's own loss with respect to the edge's weighted sum, None for
            a ranker that does not need it.
    """

    input: Tensor
    output: Tensor
    weight: Tensor
    labels: Tensor
    gradient: Tensor | None

    @property
    def skip(self) -> Tensor:
        """(B, C, H', W') output of a skip connection in the operation's place.

        The input itself or, if the operation halves the resolution, its 2x2 average pool.

        Source: ours: the supernet has no trained factorized reduction.
        """
        stride = self.input.shape[-1] // self.output.shape[-1]
        return self.input if stride == 1 else functional.avg_pool2d(self.input, stride)

    def loss_change(self, direction: Tensor) -> Tensor:
        """Return the (B, C) first-order change of each image's loss when the weighted sum moves along `direction`."""
        assert self.gradient is not None  # only rankers that need the gradient call this
        return (self.gradient * direction).sum(dim=(2, 3))


class Estimate(NamedTuple):
    """Scores and their standard errors.

    Attributes:
        scores: (C,) float64.
        standard_errors: (C,) float64 over images, or None if unknown.
    """

    scores: Tensor
    standard_errors: Tensor | None


class ScoreAccumulator(Protocol):
    """Turns batches into the scores of one edge."""

    @property
    def needs_data(self) -> bool:
        """Whether batches have to be added before the estimate."""
        ...

    def add(self, batch: EdgeBatch) -> None:
        """Add one batch, without keeping anything of its size."""
        ...

    def estimate(self) -> Estimate:
        """Return the scores of everything added so far."""
        ...


class MeanOverImages:
    """Mean over images of a score of each image.

    Args:
        score: maps a batch to its (B, C) scores.

    Source: ours; the standard error is the sample standard deviation over sqrt(images).
    """

    needs_data = True

    def __init__(self, score: Callable[[EdgeBatch], Tensor]) -> None:
        self._score = score
        self._num_images = 0
        self._sum: Tensor | None = None
        self._sum_of_squares: Tensor | None = None

    def add(self, batch: EdgeBatch) -> None:
        scores = self._score(batch).double()
        self._num_images += len(scores)
        total, squares = scores.sum(dim=0), scores.square().sum(dim=0)
        self._sum = total if self._sum is None else self._sum + total
        self._sum_of_squares = squares if self._sum_of_squares is None else self._sum_of_squares + squares

    def estimate(self) -> Estimate:
        assert self._sum is not None
        assert self._sum_of_squares is not None
        n = self._num_images
        mean = self._sum / n
        if n < 2:
            return Estimate(mean, None)
        # Rounding can make the difference of equal numbers slightly negative.
        variance = (self._sum_of_squares - self._sum * mean).clamp(min=0.0) / (n - 1)
        return Estimate(mean, (variance / n).sqrt())


@dataclass(frozen=True)
class FixedScores:
    """Scores that need no images.

    Attributes:
        values: (C,) the scores.
    """

    values: Tensor
    needs_data: bool = False

    def add(self, batch: EdgeBatch) -> None:
        return

    def estimate(self) -> Estimate:
        return Estimate(self.values.double(), None)
