"""Tests of this folder run on one thread and on their own random numbers."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
