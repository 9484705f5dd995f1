"""Seeds of independent random streams, derived from the parts of a stream's name."""

from __future__ import annotations

import hashlib
import json

import torch
from torch import Tensor

_ORDER_SEED = 20120901  # a change changes the data sets


def derive_seed(*parts: str | int) -> int:
    """Return a seed in [0, 2^63) that depends on every part, its type and its position.

    Seeds that differ by one give unrelated streams, which `seed + index` does not promise. The value is the same in
    every process and on every platform, unlike Python's `hash`.

    Source: ours; the first 63 bits of the SHA-256 of the parts as a JSON list.
    """
    text = json.dumps(list(parts), separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def cpu_generator(*parts: str | int) -> torch.Generator:
    """Return a CPU generator seeded with `derive_seed(*parts)`, so that draws never depend on the device."""
    return torch.Generator(device="cpu").manual_seed(derive_seed(*parts))


def fixed_order(num_rows: int) -> Tensor:
    """Return the order, (N,) int64, that shuffles the rows of a data set sorted by class; the same in every sweep."""
    return torch.randperm(num_rows, generator=torch.Generator().manual_seed(_ORDER_SEED))
