"""Texts of any length are logged, cut to the limits of MLflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aca_ray.records import TrialFolder
from aca_ray.tracking import Store, Tracker, limits


def test_a_cut_is_visible() -> None:
    assert limits.shortened("x" * 100, 100) == "x" * 100
    cut = limits.shortened("x" * 101, 100)
    assert len(cut) == 100
    assert cut.startswith("x")
    assert "(cut, 101 " in cut


def test_cut_names_differ() -> None:
    names = {limits.distinct("x" * 300 + end, 250) for end in ("a", "b", "")}
    assert [len(name) for name in names] == [250] * 3
    assert limits.distinct("x" * 250, 250) == "x" * 250


@pytest.mark.timeout(60)
def test_texts_of_any_length_are_logged(store: Store, search_record: Callable[..., Any], tmp_path: Path) -> None:
    long = "für alle " * 5000
    tracker = Tracker(store, "texts", "f" * 64)
    tracker.open(f"description: {long}", {"seeds": list(range(10_000)), "long" * 100: long}, long)
    record = search_record(7, state="failed", error=f"Traceback\n{long}")
    data = {"name": "parquet", "train": long}
    record = replace(
        record,
        trial=replace(record.trial, method=f"beta_darts(scale={'1' * 400})", data=data),
        data_info=replace(record.data_info, name="n" * 600, source=long * 20),
    )
    tracker.sync(record, TrialFolder(tmp_path))
    tracker.finish(tmp_path / "none", {f"comparison/{'m' * 400}/{name}": 0.5 for name in ("searched", "allocated")})
    assert tracker.flush()
    client = store.client()
    experiment = client.get_experiment_by_name("texts")
    assert experiment is not None
    runs = {run.data.tags["aca.kind"]: run for run in client.search_runs([experiment.experiment_id])}
    assert sum(name.startswith("comparison/") for name in runs["sweep"].data.metrics) == 2
    assert runs["sweep"].data.params["seeds"].startswith("[0, 1, 2, ")
    assert "(cut," in runs["sweep"].data.params["seeds"]
    assert "(cut," in runs["search"].data.tags["aca.error"]
    _require_that_a_strict_database_would_take(store)


def _require_that_a_strict_database_would_take(store: Store) -> None:
    """Compare lengths with the limits of the columns, which SQLite ignores and PostgreSQL enforces."""
    limited = {
        ("experiment_tags", "value"): 5000,
        ("tags", "value"): 8000,
        ("params", "value"): 8000,
        ("params", "key"): 250,
        ("metrics", "key"): 250,
        ("runs", "name"): 250,
        ("datasets", "name"): 500,
        ("datasets", "digest"): 36,
    }
    with sqlite3.connect(store.uri.removeprefix("sqlite:///")) as database:
        for (table, column), limit in limited.items():
            ((longest,),) = database.execute(f"SELECT MAX(LENGTH({column})) FROM {table}").fetchall()
            assert longest <= limit, (table, column)
