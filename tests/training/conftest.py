"""One thread and seeded random numbers for the tests of this folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def through_a_file(tmp_path: Path) -> Callable[[Any], Any]:
    """Return a function that writes a state and reads it back like a checkpoint: tensors and plain values only."""

    def round_trip(state: Any) -> Any:
        torch.save(state, tmp_path / "state")
        return torch.load(tmp_path / "state", weights_only=True)

    return round_trip
