"""Tests of this folder run on one thread and on their own random numbers."""

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
    """Compute on the CPU as on any other device."""
    for module in [module for name, module in sys.modules.items() if name.startswith("aca_ray.nn")]:
        if hasattr(module, "on_cpu"):
            monkeypatch.setattr(module, "on_cpu", lambda maps: False)


@pytest.fixture(params=["on_a_cpu", "elsewhere"])
def where(request: pytest.FixtureRequest) -> None:
    """Once as on a CPU, once as on any other device."""
    if request.param == "elsewhere":
        request.getfixturevalue("elsewhere")
