"""Fixtures: orders of a sweep, and records with a given progress in their folders."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aca_ray.config import parse_spec
from aca_ray.records import Row, SearchRecord, SearchRow, TrialRecord
from aca_ray.sweep.manifest import create_sweep
from aca_ray.sweep.orders import Order, all_orders
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.trials.cadence import Cadence

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

    def make(num_seeds: int, settings: str = "skip_free: false\n  retraining: {protocol: small}") -> list[Order]:
        text = TEXT.format(seeds=", ".join(map(str, range(num_seeds))), storage=tmp_path, settings=settings)
        return all_orders(create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text))

    return make


@pytest.fixture
def write_record(finished_record: Callable[..., TrialRecord]) -> Callable[..., None]:
    """Return a function that writes the record of an order with a number of finished epochs."""

    def write(
        order: Order,
        epoch: int,
        state: str = "running",
        seconds: float = 0.0,
        num_epochs: int = 4,
        cadence: Cadence | None = None,
    ) -> None:
        record = finished_record(order.trial)
        is_search = isinstance(record, SearchRecord)
        row_type, split = (SearchRow, "search_valid") if is_search else (Row, "test")
        metrics: dict[str, Any] = {f"{split}/loss": 2.0 / (epoch or 1), f"{split}/accuracy": epoch / 8}
        if is_search:
            metrics["arch/skip_count"] = 3.0
        replace(
            record,
            num_epochs=num_epochs,
            state=state,
            epoch=epoch,
            rows=tuple(row_type(number, 0, metrics) for number in range(1, epoch + 1)),
            seconds=seconds,
            checkpointing=None if cadence is None else cadence.recorded(),
        ).write(order.folder)

    return write
