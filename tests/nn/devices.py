"""Fixtures that run code for other devices on the CPU."""

from __future__ import annotations

import sys

import pytest


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the code of other devices on the CPU."""
    packages = ("aca_ray.nn", "aca_ray.packing")
    for module in [module for name, module in sys.modules.items() if name.startswith(packages)]:
        if hasattr(module, "on_cpu"):
            monkeypatch.setattr(module, "on_cpu", lambda maps: False)


@pytest.fixture(params=["on_a_cpu", "elsewhere"])
def where(request: pytest.FixtureRequest) -> None:
    """Run once with the code of CPUs and once with that of other devices."""
    if request.param == "elsewhere":
        request.getfixturevalue("elsewhere")
