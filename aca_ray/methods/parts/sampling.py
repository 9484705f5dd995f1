"""Draws of a step's images from a split, instead of passes over them.

| draw | batch |
|---|---|
| `fresh_batch` | the first images of a fresh permutation: distinct within a batch, independent between batches |
| `independent_images` | independently drawn images: one may occur twice in a batch |
"""

from __future__ import annotations

import torch
from torch import Tensor


def fresh_batch(num_images: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Return (min(B, N),) distinct rows of 0..N-1, uniformly drawn.

    Source: Liu et al. 2019 (DARTS), official code: `next(iter(valid_queue))` in every step, and the codes that follow
    it.
    """
    return torch.randperm(num_images, generator=generator)[:batch_size]


def independent_images(num_images: int, batch_size: int, generator: torch.Generator) -> Tensor:
    """Return (min(B, N),) rows of 0..N-1, each uniformly drawn.

    Source: Dong & Yang 2019 (GDAS), official code: `random.choice(valid_split)` for every image.
    """
    return torch.randint(num_images, (min(batch_size, num_images),), generator=generator)
