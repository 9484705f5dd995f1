"""A sweep whose search has begun."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from aca_ray import api
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import search_orders

CPU = torch.device("cpu")
SPEC = """name: begun
experiment:
  methods: darts
  skip: searched
  seeds: [0]
  epochs: 2
  data: {name: digits, max_train_images: 64}
  network: {channels: 4, cells: 3}
  retraining: {protocol: small}
"""


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sweep:
    """Return a sweep whose search has a rolling checkpoint after its first epoch."""
    monkeypatch.chdir(tmp_path)
    Path("spec.yaml").write_text(SPEC)
    sweep = api.create("spec.yaml")
    (search,) = search_orders(sweep)
    trial = search.open(CPU)
    assert trial.advance() is not None
    trial.save()
    return sweep
