"""Fixtures: orders of a sweep, and records with a given progress in their folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from aca_ray.config import parse_spec
from aca_ray.pipeline.cadence import Cadence
from aca_ray.pipeline.manifest import create_sweep
from aca_ray.pipeline.orders import Order, all_orders
from aca_ray.pipeline.vocabulary import vocabulary
from aca_ray.records import TrialRecord

TEXT = """name: shown
experiment:
  methods: darts
  data: digits
  seeds: [{seeds}]
  epochs: 4
  {settings}
runtime: {{storage: {storage}}}
"""


@pytest.fixture
def make_orders(tmp_path: Path) -> Callable[..., list[Order]]:
    """Return a function that makes all orders of a sweep from a number of seeds: four per seed by default."""

    def make(num_seeds: int, settings: str = "evaluation: {protocol: small, skip_free: false}") -> list[Order]:
        text = TEXT.format(seeds=", ".join(map(str, range(num_seeds))), storage=tmp_path, settings=settings)
        return all_orders(create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text))

    return make


@pytest.fixture
def write_record() -> Callable[..., None]:
    """Return a function that writes the record of an order with a number of finished epochs."""

    def write(
        order: Order,
        epoch: int,
        state: str = "running",
        seconds: float = 0.0,
        num_epochs: int = 4,
        cadence: Cadence | None = None,
    ) -> None:
        split = "search_valid" if order.trial.kind == "search" else "test"
        metrics: dict[str, Any] = {f"{split}/loss": 2.0 / (epoch or 1), f"{split}/accuracy": epoch / 8}
        if order.trial.kind == "search":
            metrics["arch/skip_count"] = 3.0
        TrialRecord(
            kind=order.trial.kind,
            fingerprint=order.trial.fingerprint,
            trial=order.trial.to_json(),
            num_epochs=num_epochs,
            state=state,  # type: ignore[arg-type]
            epoch=epoch,
            rows=[{"epoch": number, "time_ms": 0, "metrics": metrics} for number in range(1, epoch + 1)],
            seconds=seconds,
            checkpointing=None if cadence is None else asdict(cadence),
        ).write(order.folder)

    return write
