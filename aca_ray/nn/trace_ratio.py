"""The trace-ratio problem, which set of channels separates the classes best, and its statistics."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

SMALLEST_SCATTER = 1e-8  # ours; keeps the ratio of a channel that never varies finite


class ClassStatistics:
    """Sums of squares of features between and within classes, accumulated in one pass.

    Means and sums of squares about them are merged batch by batch, which avoids differences of large sums.

    Args:
        num_classes: number of classes K.

    Source: Chan, Golub & LeVeque 1979 for merging; the statistics are those of arXiv 2110.10921 in our reading.
    """

    def __init__(self, num_classes: int) -> None:
        self.num_classes = num_classes
        self.counts: Tensor | None = None
        self.means: Tensor | None = None
        self.within: Tensor | None = None

    def add(self, features: Tensor, labels: Tensor) -> None:
        """Add the (B, C) features of images with (B,) labels."""
        features = features.double()
        members = functional.one_hot(labels, self.num_classes).double()
        counts = members.sum(dim=0)
        means = members.T @ features / counts.clamp(min=1.0)[:, None]
        within = (features - means[labels]).square().sum(dim=0)
        if self.counts is None or self.means is None or self.within is None:
            self.counts, self.means, self.within = counts, means, within
            return
        total = (self.counts + counts).clamp(min=1.0)
        step = means - self.means
        self.within = self.within + within + (step.square() * (self.counts * counts / total)[:, None]).sum(dim=0)
        self.means = self.means + step * (counts / total)[:, None]
        self.counts = self.counts + counts

    def scatter(self) -> tuple[Tensor, Tensor]:
        """Return the (C,) sums of squares between classes, and within them plus SMALLEST_SCATTER."""
        assert self.counts is not None
        assert self.means is not None
        assert self.within is not None
        mean = self.counts @ self.means / self.counts.sum()
        between = self.counts @ (self.means - mean).square()
        return between, self.within + SMALLEST_SCATTER


def trace_ratio_scores(b: Tensor, w: Tensor, num_kept: int) -> Tensor:
    """Return b - rho * w at the largest ratio rho = sum(b[I]) / sum(w[I]) of any set I of `num_kept` channels.

    The `num_kept` largest scores mark the best set, and they sum to zero: a channel with a positive score separates the
    classes better than the best set as a whole. The iteration starts at the ratio of all channels, takes the channels
    of largest score (ties to the larger b), and repeats with their ratio. The ratio only grows and there are finitely
    many sets, so the iteration terminates.

    Args:
        b: (C,) scatter between classes, at least 0.
        w: (C,) scatter within classes, above 0.
        num_kept: size of the set, 1 to C.

    Source: Jia, Nie & Zhang 2009 and arXiv 2110.10921 in our reading.
    """
    b, w = b.double().cpu(), w.double().cpu()
    by_b = b.argsort(descending=True, stable=True)
    rho = b.sum() / w.sum()
    while True:
        scores = b - rho * w
        # Sorting twice, by b first and then stably by score, gives ties to the larger b.
        best = by_b[scores[by_b].argsort(descending=True, stable=True)][:num_kept].sort().values
        ratio = b[best].sum() / w[best].sum()
        if not torch.gt(ratio, rho):
            return scores
        rho = ratio
