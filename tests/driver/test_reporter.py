"""Tracking follows a sweep that has moved, and repeats what failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from aca_ray.config import parse_spec
from aca_ray.driver.reporter import Reporter
from aca_ray.errors import StorageError
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


class Mirror:
    """Takes everything, but only from the given attempt on."""

    def __init__(self, from_attempt: int) -> None:
        self.from_attempt, self.attempts = from_attempt, 0

    def open(self, *arguments: object) -> None:
        pass

    def sync_comparison(self, folder: Path) -> None:
        self.attempts += 1
        if self.attempts < self.from_attempt:
            raise StorageError(f"{folder}: cannot be read")

    def flush(self, patience_seconds: float = 0.0) -> bool:
        return True


@pytest.mark.parametrize(("from_attempt", "complete"), [(1, True), (2, True), (3, False)])
def test_what_could_not_be_logged_is_tried_again_at_the_end(tmp_path: Path, from_attempt: int, complete: bool) -> None:
    text = TEXT % tmp_path
    sweep = create_sweep(parse_spec(text, vocabulary(tmp_path)), tmp_path, text)
    mirror = Mirror(from_attempt)
    reporter = Reporter(sweep, "sign", lambda _: cast(Any, mirror))
    reporter.start()
    reporter.comparison(sweep.folder.comparison)
    assert reporter.stop(60.0) is complete
    assert mirror.attempts == min(from_attempt, 2)
