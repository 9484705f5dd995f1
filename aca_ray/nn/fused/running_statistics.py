"""Running statistics of fused batch norms, updated at the end of a pass.

Every layer has two small tensors and a counter. Updating them one by one would make most of the calls of a pass.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor, nn


class BatchStatistics(NamedTuple):
    """Batch statistics of fused batch norms in one pass.

    Attributes:
        norms: N layers with the same momentum.
        means: (N, C) means of the batch, or (1, C) if all layers read the same; packed networks add a leading axis.
        variances: unbiased variances of the same shape.
    """

    norms: Sequence[nn.BatchNorm2d]
    means: Tensor
    variances: Tensor

    def rows(self, table: Tensor) -> tuple[Tensor, ...]:
        """Return every layer's row of `means` or `variances`."""
        return table.unbind(dim=-2) * (len(self.norms) // table.shape[-2])


Buffers = tuple[Tensor, Tensor, Tensor]

_collecting: ContextVar[list[BatchStatistics] | None] = ContextVar("statistics of the pass under way", default=None)


@contextmanager
def collected() -> Iterator[list[BatchStatistics]]:
    """Collect batch statistics in a list instead of updating running statistics."""
    found: list[BatchStatistics] = []
    outer = _collecting.set(found)
    try:
        yield found
    finally:
        _collecting.reset(outer)


@contextmanager
def updated_at_the_end() -> Iterator[None]:
    """Update running statistics when the block ends, unless an outer block collects them."""
    if _collecting.get() is not None:
        yield
        return
    with collected() as found:
        yield
    update(found)


def record(statistics: BatchStatistics) -> None:
    """Update running statistics now, or at the end of the pass if they are being collected."""
    found = _collecting.get()
    if found is None:
        update([statistics])
    else:
        found.append(statistics)


def update(
    statistics: Sequence[BatchStatistics], buffers_of: Callable[[nn.BatchNorm2d], Buffers] | None = None
) -> None:
    """Update running statistics by the layers' momentum, and the batch counters, in a handful of calls.

    Args:
        statistics: batch statistics of all layers.
        buffers_of: function from a layer to its running mean, running variance and counter; None for the layer's own.
    """
    by_momentum: dict[float | None, list[BatchStatistics]] = {}
    for own in statistics:
        by_momentum.setdefault(own.norms[0].momentum, []).append(own)
    for momentum, group in by_momentum.items():
        assert momentum is not None
        means, variances, counts = zip(
            *[(buffers_of or _own_buffers)(n) for own in group for n in own.norms], strict=True
        )
        running = [*means, *variances]
        batch = [row for own in group for row in own.rows(own.means)]
        batch += [row for own in group for row in own.rows(own.variances)]
        torch._foreach_mul_(running, 1.0 - momentum)
        torch._foreach_add_(running, batch, alpha=momentum)
        torch._foreach_add_(counts, 1)


def _own_buffers(norm: nn.BatchNorm2d) -> Buffers:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    return norm.running_mean, norm.running_var, norm.num_batches_tracked
