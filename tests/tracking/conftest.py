"""One MLflow store for the session (its creation takes about 7 s), and records to log."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from aca_ray.records import DataFacts, RetrainingRecord, RetrainingResult, Row, SearchRecord, SearchResult, SearchRow
from aca_ray.records.record import State
from aca_ray.space import PUBLISHED
from aca_ray.space.trials import RetrainingTrial, SearchTrial
from aca_ray.tracking import Store, open_store

START_MS = 1_790_000_000_000
TRIAL = SearchTrial(
    method="pc_darts",
    skip="allocated",
    space="darts",
    seed=0,
    epochs=8,
    data={"name": "digits", "valid_share": 0.5},
    network={"channels": 8, "cells": 5},
    batch_size=64,
)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Return the embedded store of a fresh storage root."""
    return open_store(None, tmp_path_factory.mktemp("storage"))


@pytest.fixture
def search_record(data_facts: DataFacts) -> Callable[..., SearchRecord]:
    """Return a factory of search records with `epochs` rows so far and the given seed."""

    def make(seed: int = 0, epochs: int = 2, state: State = "running", **changes: Any) -> SearchRecord:
        record = SearchRecord(
            fingerprint=f"{seed:064x}",
            trial=replace(TRIAL, seed=seed),
            num_epochs=8,
            state=state,
            epoch=epochs,
            rows=tuple(row(epoch, seed) for epoch in range(1, epochs + 1)),
            milestones=tuple(epoch for epoch in (4, 8) if epoch <= epochs),
            genotype=PUBLISHED["DARTS_V2"],
            result=SearchResult(5, 11) if state == "finished" else None,
            data_info=data_facts,
            environment={"device": "cpu"},
            seconds=1.5 * epochs,
        )
        return replace(record, **changes)

    return make


def row(epoch: int, seed: int) -> SearchRow:
    """Return one row of a search; repeated calls return the same row."""
    names = ("search_train/loss", "search_train/accuracy", "search_valid/loss", "search_valid/accuracy", "lr/weights")
    metrics = {name: epoch + seed + index / 8 for index, name in enumerate(names)}
    return SearchRow(epoch, START_MS + 60_000 * epoch, {**metrics, "memory/peak_bytes": None})


@pytest.fixture
def retraining_record(data_facts: DataFacts) -> Callable[..., RetrainingRecord]:
    """Return a factory of finished records of retrainings of the search with the same seed."""

    def make(seed: int = 0, retrain_seed: int = 0, allocation: str | None = "sign", **changes: Any) -> RetrainingRecord:
        search = replace(TRIAL, seed=seed)
        trial = RetrainingTrial.of_search(search, "short", retrain_seed, allocation and "ablation", allocation)
        return RetrainingRecord(
            fingerprint=f"{1000 + 10 * seed + retrain_seed:064x}",
            trial=replace(trial, search=f"{seed:064x}", **changes),
            num_epochs=8,
            state="finished",
            epoch=2,
            rows=(
                Row(1, START_MS + 1, {"train/loss": 1.0, "test/accuracy": 0.25}),
                Row(2, START_MS + 2, {"train/loss": 0.5, "test/accuracy": 0.75}),
            ),
            genotype=PUBLISHED["DARTS_V2"],
            result=RetrainingResult(0.75, 0.75, 1234, 5678, 5, 11, 0.25),
            data_info=data_facts,
            environment={"device": "cpu"},
        )

    return make


@pytest.fixture
def points(store: Store) -> Callable[[str], Counter[tuple[str, int]]]:
    """Return a function that counts the points of a run by metric and step, read from the database itself."""

    def count(run_id: str) -> Counter[tuple[str, int]]:
        with sqlite3.connect(store.uri.removeprefix("sqlite:///")) as database:
            return Counter(database.execute("SELECT key, step FROM metrics WHERE run_uuid = ?", (run_id,)).fetchall())

    return count
