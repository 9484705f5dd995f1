"""The trace-ratio problem: which channels together separate classes best."""

from __future__ import annotations

import torch
from torch import Tensor


def trace_ratio_scores(b: Tensor, w: Tensor, num_kept: int) -> Tensor:
    """Return b - rho * w at the largest ratio rho = sum(b[I]) / sum(w[I]) that any set I of `num_kept` channels has.

    The `num_kept` largest scores are the best set, and they sum to zero: a positive score marks a channel that
    separates the classes better than the best set does on the whole. The iteration starts at the ratio of all
    channels, takes the channels of largest score (ties to the larger b), and repeats with their ratio; the ratio only
    grows and there are finitely many sets, so it ends.

    Args:
        b: (C,) scatter between classes, at least 0.
        w: (C,) scatter within classes, above 0.
        num_kept: size of the set, 1 to C.

    Source: Jia, Nie & Zhang 2009 and arXiv 2110.10921 in our reading (variants.md 4.18).
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
