"""Tests in this folder run on one thread with fixed random seeds."""

from __future__ import annotations

import pytest
import torch
from devices import elsewhere

__all__ = ["elsewhere"]


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
