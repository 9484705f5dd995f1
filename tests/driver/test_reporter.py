"""Tracking follows a sweep that has moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from aca_ray.config import parse_spec
from aca_ray.driver.reporter import Reporter
from aca_ray.sweep.manifest import Sweep, create_sweep, find_sweep
from aca_ray.sweep.vocabulary import vocabulary
from aca_ray.tracking import Tracker, open_store

TEXT = """name: first
experiment: {methods: darts, data: digits, seeds: 0, epochs: 1}
runtime: {storage: %s}
"""


def mlflow(sweep: Sweep) -> Tracker:
    return Tracker(open_store(sweep.spec.runtime.tracking, sweep.storage), sweep.spec.name, sweep.identity)


@pytest.mark.slow
def test_a_moved_sweep_is_tracked_in_its_new_folder(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    text = TEXT % old
    create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)
    old.rename(new)
    reporter = Reporter(find_sweep("first", new), "sign", mlflow)
    reporter.start()
    assert reporter.stop(60.0)
    assert (new / "mlflow.db").is_file()
    assert len(list(new.glob("mlflow-artifacts/first/*/artifacts/spec.yaml"))) == 1
    assert not old.exists()
