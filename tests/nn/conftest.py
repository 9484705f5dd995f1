"""Tests in this folder run on one thread with fixed random seeds."""

from __future__ import annotations

import sys

import pytest
import torch


@pytest.fixture(autouse=True)
def repeatable() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the code of other devices on the CPU."""
    for module in [
        module for name, module in sys.modules.items() if name.startswith(("aca_ray.nn", "aca_ray.packing"))
    ]:
        if hasattr(module, "on_cpu"):
            monkeypatch.setattr(module, "on_cpu", lambda maps: False)


@pytest.fixture(params=["on_a_cpu", "elsewhere"])
def where(request: pytest.FixtureRequest) -> None:
    """Run once with the code of CPUs and once with that of other devices."""
    if request.param == "elsewhere":
        request.getfixturevalue("elsewhere")
