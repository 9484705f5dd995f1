"""Running statistics of batch norms that are computed together, updated at the end of a pass.

Every layer has two small tensors and a counter; to update them one by one would be most of the calls of a pass.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch
from torch import Tensor, nn


class BatchStatistics(NamedTuple):
    """What a batch norm saw in a pass.

    Attributes:
        norm: the layer.
        mean: (C,) of the batch.
        variance: (C,) unbiased.
    """

    norm: nn.BatchNorm2d
    mean: Tensor
    variance: Tensor


Buffers = tuple[Tensor, Tensor, Tensor]

_gathering: ContextVar[list[BatchStatistics] | None] = ContextVar("statistics of the pass under way", default=None)


@contextmanager
def gathered() -> Iterator[list[BatchStatistics]]:
    """Leave what batch norms see in a list instead of updating their running statistics."""
    found: list[BatchStatistics] = []
    outer = _gathering.set(found)
    try:
        yield found
    finally:
        _gathering.reset(outer)


@contextmanager
def updated_at_the_end() -> Iterator[None]:
    """Update running statistics when the block has ended, unless they are gathered around it."""
    if _gathering.get() is not None:
        yield
        return
    with gathered() as found:
        yield
    update(found)


def record(statistics: Sequence[BatchStatistics]) -> None:
    """Update running statistics now, or when those of the pass are."""
    found = _gathering.get()
    if found is None:
        update(statistics)
    else:
        found.extend(statistics)


def update(
    statistics: Sequence[BatchStatistics], buffers_of: Callable[[nn.BatchNorm2d], Buffers] | None = None
) -> None:
    """Move running statistics to those of a batch by the layers' momentum, and count it, in a handful of calls.

    Args:
        statistics: of layers, or of several networks' layers with a first axis for the networks.
        buffers_of: returns what stands for a layer's running mean, its running variance and its counter; None takes
            the layer's own.
    """
    by_momentum: dict[float | None, list[BatchStatistics]] = {}
    for own in statistics:
        by_momentum.setdefault(own.norm.momentum, []).append(own)
    for momentum, group in by_momentum.items():
        assert momentum is not None
        means, variances, counts = zip(*[(buffers_of or _own_buffers)(own.norm) for own in group], strict=True)
        running = [*means, *variances]
        torch._foreach_mul_(running, 1.0 - momentum)
        torch._foreach_add_(running, [own.mean for own in group] + [own.variance for own in group], alpha=momentum)
        torch._foreach_add_(counts, 1)


def _own_buffers(norm: nn.BatchNorm2d) -> Buffers:
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    return norm.running_mean, norm.running_var, norm.num_batches_tracked
