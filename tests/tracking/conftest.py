"""One MLflow store for the session (its creation takes about 7 s), and records to log."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from aca_ray.tracking import Store, open_store

Record = dict[str, Any]
START_MS = 1_790_000_000_000


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the embedded store of a fresh storage root."""
    return open_store(None, tmp_path_factory.mktemp("storage"))


@pytest.fixture
def search_record() -> Callable[..., Record]:
    """Return a factory of search records with `epochs` rows so far and the given seed."""

    def make(seed: int = 0, epochs: int = 2, state: str = "running", **changes: Any) -> Record:
        return {
            "schema": "aca_ray.record",
            "version": 1,
            "kind": "search",
            "fingerprint": f"{seed:064x}",
            "trial": {
                "method": "pc_darts",
                "skip": "allocated",
                "space": "darts",
                "seed": seed,
                "epochs": 8,
                "data": {"name": "digits", "valid_share": 0.5},
                "network": {"channels": 8, "cells": 5},
                "batch_size": 64,
                "milestones": [4, 8],
            },
            "state": state,
            "epoch": epochs,
            "num_epochs": 8,
            "rows": [row(epoch, seed) for epoch in range(1, epochs + 1)],
            "milestones": [epoch for epoch in (4, 8) if epoch <= epochs],
            "genotype": {"normal": [], "reduce": []} if state == "finished" else None,
            "alphas": None,
            "result": None,
            "error": None,
            "resumes": 0,
            "device": "cpu",
            "seconds": 1.5 * epochs,
            **changes,
        }

    return make


def row(epoch: int, seed: int) -> dict[str, Any]:
    """Return one row of a search; repeated calls return the same row."""
    names = ("search_train/loss", "search_train/accuracy", "search_valid/loss", "search_valid/accuracy", "lr/weights")
    return {
        "epoch": epoch,
        "time_ms": START_MS + 60_000 * epoch,
        "metrics": {**{name: epoch + seed + index / 8 for index, name in enumerate(names)}, "memory/peak_bytes": None},
    }


@pytest.fixture
def evaluation_record(search_record: Callable[..., Record]) -> Callable[..., Record]:
    """Return a factory of finished evaluation records of the search with the same seed."""

    def make(seed: int = 0, retrain_seed: int = 0, allocation: str | None = "sign") -> Record:
        search = search_record(seed)
        trial = {
            name: search["trial"][name] for name in ("method", "skip", "space", "seed", "epochs", "data", "network")
        }
        return {
            **search,
            "kind": "evaluation",
            "fingerprint": f"{1000 + 10 * seed + retrain_seed:064x}",
            "trial": {
                **trial,
                "search": search["fingerprint"],
                "protocol": "short",
                "retrain_seed": retrain_seed,
                "ranking": allocation and "ablation",
                "allocation": allocation,
            },
            "state": "finished",
            "rows": [
                {"epoch": 1, "time_ms": START_MS + 1, "metrics": {"train/loss": 1.0, "test/accuracy": 0.25}},
                {"epoch": 2, "time_ms": START_MS + 2, "metrics": {"train/loss": 0.5, "test/accuracy": 0.75}},
            ],
            "result": {"test_accuracy": 0.75, "best_test_accuracy": 0.75, "parameters": 1234, "refilled_share": 0.25},
        }

    return make


@pytest.fixture
def points(store: Store) -> Callable[[str], Counter[tuple[str, int]]]:
    """Return a function that counts the points of a run by metric and step, read from the database itself."""

    def count(run_id: str) -> Counter[tuple[str, int]]:
        with sqlite3.connect(store.uri.removeprefix("sqlite:///")) as database:
            return Counter(database.execute("SELECT key, step FROM metrics WHERE run_uuid = ?", (run_id,)).fetchall())

    return count
