"""Transfer of learned weights to a supernet whose candidates have more channels."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import torch
from torch import Tensor

from aca_ray.nn.transfer import Transfer
from aca_ray.space.candidates import SKIP


def duplicated_channels(generator: torch.Generator) -> Transfer:
    """Return a transfer that keeps the channels of the candidates and makes every new one a copy of a random old one.

    All layers of an edge copy the same channels, for their inputs and for their outputs, and so do later calls of the
    transfer, for example for momentum. Values are not rescaled.

    Source: Chen et al. 2016 (Net2Net) in the form of Chen et al. 2021 (DrNAS), section 3.2, and its official code;
    that the candidates of an edge copy the same channels is ours.
    """

    @cache
    def sources(edge: str, old: int, new: int) -> Tensor:
        return torch.cat((torch.arange(old), torch.randint(old, (new - old,), generator=generator)))

    def halves(edge: str, old: int, new: int) -> Tensor:
        """A factorized reduction writes the channels of its second convolution after those of its first."""
        first = old - old // 2
        return torch.cat((sources(edge, first, new - new // 2), first + sources(edge, old // 2, new // 2)))

    def widened(name: str, old: Tensor, new: Tensor) -> Tensor:
        edge, _, layer = name.partition(".operations.")
        choose = halves if layer.startswith(f"{SKIP}.norm.") else sources
        for axis, (before, after) in enumerate(zip(old.shape, new.shape, strict=True)):
            if before != after:
                old = old.index_select(axis, choose(edge, before, after).to(old.device))
        return old

    def transfer(old: Mapping[str, Tensor], new: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {name: widened(name, old[name], tensor) if name in old else tensor for name, tensor in new.items()}

    return transfer
