"""Searches that one process computes together, in a real sweep whose process is really killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

SAME = {"seed": 0, "skip": "searched", "epochs": 4}  # for a search here and one of the undisturbed sweep


def test_packed_searches_are_the_same_searches(process: SweepProcess, undisturbed: SweepProcess) -> None:
    spec = process.folder / "spec.yaml"
    text = spec.read_text()
    for old, new in (
        ("seeds: [0]", "seeds: [0, 1]\n  skip: searched"),
        ("epochs: [2, 4]", "epochs: 4"),
        (", controls: [uniform]", ""),
    ):
        assert old in text
        text = text.replace(old, new)
    spec.write_text(text + "runtime: {pack: 2}\n")
    running = process.start("run", "spec.yaml")
    victim = process.wait_for_epoch("search", 1)
    os.kill(int(victim["process"].rpartition(":")[2]), signal.SIGKILL)
    assert running.wait(timeout=240) == 0, process.output()
    assert "its process died; it is tried again" in process.output()
    searches = [record for record in process.records() if record["kind"] == "search"]
    assert [record["state"] for record in searches] == ["finished"] * 2
    assert sorted(record["trial"]["seed"] for record in searches) == [0, 1]
    assert len({record["process"] for record in searches}) == 1
    for record in searches:
        assert record["packed"]["searches"] == 2
        assert record["packed"]["computed"] < record["packed"]["passes"]
    process.check_tracked_once()
    both, alone = (
        next(
            record
            for record in sweep.records()
            if record["kind"] == "search" and SAME.items() <= record["trial"].items()
        )
        for sweep in (process, undisturbed)
    )
    assert both["genotype"] == alone["genotype"]
    for row, expected in zip(both["rows"], alone["rows"], strict=True):
        assert row["metrics"]["search_valid/loss"] == pytest.approx(expected["metrics"]["search_valid/loss"], rel=1e-2)
