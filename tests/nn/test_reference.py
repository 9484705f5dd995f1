"""The plain supernet against the reference, which is written independently of the package."""

from __future__ import annotations

import torch
from against_reference import CASES, everything, pair, random_mixing, worst

from aca_ray.space import SPACES


@CASES
def test_plain_supernets_match_the_reference(space: str, share: int, size: int, channels: int, num_cells: int) -> None:
    product, reference = pair(SPACES[space], share, torch.float64, channels, num_cells)
    images = torch.randn(4, 3, size, size, dtype=torch.float64)
    weights = random_mixing(SPACES[space], torch.float64, edges=share > 1)
    assert worst(everything(product, images, weights), everything(reference, images, weights)) < 1e-10
