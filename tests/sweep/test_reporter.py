"""Tracking follows a sweep that has moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from aca_ray.config import parse_spec
from aca_ray.pipeline.manifest import create_sweep, find_sweep
from aca_ray.pipeline.vocabulary import vocabulary
from aca_ray.sweep.reporter import Reporter

TEXT = """name: first
experiment: {methods: darts, data: digits, seeds: 0, epochs: 1}
runtime: {storage: %s}
"""


@pytest.mark.slow
def test_a_moved_sweep_is_tracked_in_its_new_folder(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    text = TEXT % old
    create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)
    old.rename(new)
    reporter = Reporter(find_sweep("first", new), "sign")
    reporter.start()
    assert reporter.stop(60.0)
    assert (new / "mlflow.db").is_file()
    assert len(list(new.glob("mlflow-artifacts/first/*/artifacts/spec.yaml"))) == 1
    assert not old.exists()
