"""Trials on images that are decoded ahead, from a folder or from Parquet: interrupted at any step, they end with the
same bits."""

from __future__ import annotations

import gc
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from aca_ray.config import RetrainingTrial, SearchTrial
from aca_ray.data import Decoders, RetrainingData, load_retraining_data, load_search_data
from aca_ray.errors import DataError
from aca_ray.retraining import Protocol, Retraining
from aca_ray.space import Genotype
from aca_ray.space.published import parse_cell
from aca_ray.training import EpochLoop, EpochWork
from aca_ray.trials.datasets import DataRef
from aca_ray.trials.searching import build_search
from aca_ray.trials.timing import Seconds, time_retraining

CPU = torch.device("cpu")
GENOTYPE = Genotype(parse_cell("s3-1 sk-0 | d3-2 mp-0"), parse_cell("mp-0 s3-1 | sk-0 ap-2"))
PROTOCOL = Protocol(name="tiny", source="test", channels=4, num_cells=3, epochs=2, batch_size=8, drop_path=0.2)
NUM_EPOCHS = 2


BOTH_SOURCES = pytest.mark.parametrize("mapping", ["imagenet", "parquet"], indirect=True)


@pytest.fixture
def mapping(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """32 training and 6 test images of two classes, viewed at 8x8; in Parquet files on request."""
    rng = np.random.default_rng(0)
    for folder, count in (("train", 32), ("val", 6)):
        for index in range(count):
            path = tmp_path / folder / f"class{index % 2}" / f"{index}.JPEG"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 200, (*rng.integers(12, 20, 2), 3)) + 50 * (index % 2)
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    if getattr(request, "param", "imagenet") == "imagenet":
        return {"name": "imagenet", "root": str(tmp_path), "resize": 8}
    monkeypatch.setattr("aca_ray.data.stacking.BYTES_IN_MEMORY", 0)
    for folder in ("train", "val"):
        files = sorted((tmp_path / folder).glob("*/*"), key=lambda path: int(path.stem))
        labels = [int(path.parent.name[-1]) for path in files]
        table = pa.table({"image": [path.read_bytes() for path in files], "label": labels})
        pq.write_table(table, tmp_path / f"{folder}.parquet")
    return {
        "name": "parquet",
        "train": str(tmp_path / "train.parquet"),
        "test": str(tmp_path / "val.parquet"),
        "resize": 8,
    }


@pytest.fixture(params=["search", "retraining"])
def make_work(request: pytest.FixtureRequest, mapping: dict[str, Any]) -> Callable[[], EpochWork]:
    """Return a function that builds a search or a retraining at its first step."""
    if request.param == "search":
        network = {"channels": 4, "cells": 3}
        trial = SearchTrial("darts", "searched", "nasbench201", 3, NUM_EPOCHS, mapping, network, batch_size=4)
        return lambda: build_search(trial, load_search_data(mapping), CPU)
    data: RetrainingData = load_retraining_data(mapping)
    return lambda: Retraining(GENOTYPE, None, data, PROTOCOL, seed=3, device=CPU)


@pytest.fixture
def decoded_ahead(monkeypatch: pytest.MonkeyPatch) -> list[Decoders]:
    """Have images decoded ahead as beside a GPU; return the decoders of all trials."""
    made: list[Decoders] = []

    def beside(device: torch.device) -> Decoders:
        made.append(Decoders(2))
        return made[-1]

    monkeypatch.setattr(Decoders, "beside", beside)
    return made


@BOTH_SOURCES
def test_interrupted_at_any_step_a_trial_ends_with_the_same_bits(
    make_work: Callable[[], EpochWork],
    monkeypatch: pytest.MonkeyPatch,
    through_a_file: Callable[[Any], Any],
    assert_equal_states: Callable[[Any, Any], None],
) -> None:
    plain = EpochLoop(make_work(), NUM_EPOCHS)  # nothing is decoded ahead
    expected = run(plain)
    monkeypatch.setattr(Decoders, "beside", lambda device: Decoders(3))
    assert run(EpochLoop(make_work(), NUM_EPOCHS)) == expected
    ticks = itertools.count()
    loop = EpochLoop(make_work(), NUM_EPOCHS, clock=lambda: float(next(ticks)))
    found = []
    while not loop.finished:
        report = loop.advance(0.0)  # one step
        if report is not None:
            found.append(measured(report.metrics))
        state = through_a_file(loop.state_dict())
        loop = EpochLoop(make_work(), NUM_EPOCHS, clock=lambda: float(next(ticks)))
        loop.load_state_dict(state)
    assert found == expected
    assert_equal_states(loop.work.state_dict(), plain.work.state_dict())


def run(loop: EpochLoop) -> list[dict[str, float]]:
    """Run all epochs and return their metrics."""
    reports = []
    while not loop.finished:
        report = loop.advance()
        assert report is not None
        reports.append(measured(report.metrics))
    return reports


def measured(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith(("time/", "memory/"))}


@BOTH_SOURCES
def test_all_batches_of_a_trial_share_its_decoders_and_no_thread_outlives_it(
    make_work: Callable[[], EpochWork], decoded_ahead: list[Decoders]
) -> None:
    loop = EpochLoop(make_work(), NUM_EPOCHS)
    run(loop)
    (decoders,) = decoded_ahead
    num_sequences = len(loop.work.batches) if isinstance(loop.work.batches, dict) else 1
    steps = NUM_EPOCHS * loop.work.steps_per_epoch * num_sequences
    assert decoders.num_requests > steps  # and those of the passes that measure accuracy
    del loop
    gc.collect()
    deadline = time.monotonic() + 10
    while any(thread.name == "image decoder" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_an_estimate_leaves_out_steps_whose_images_were_decoded_meanwhile(
    mapping: dict[str, Any], decoded_ahead: list[Decoders], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    network = {"channels": 4, "cells": 3}
    trial = SearchTrial("darts", "searched", "nasbench201", 3, NUM_EPOCHS, mapping, network, batch_size=4)
    retraining = RetrainingTrial.of_search(trial, {"base": "small", "epochs": 2, "batch_size": 4}, 0, None, None)
    now, count, step = [0.0], itertools.count(1), Retraining.step

    def clocked(work: Retraining, epoch: int, index: int) -> None:
        now[0] += 1.0 if next(count) <= 5 else 10.0  # one step, and four whose batches were decoded meanwhile
        step(work, epoch, index)

    monkeypatch.setattr(Retraining, "step", clocked)
    timing = time_retraining(retraining, trial, DataRef(mapping, tmp_path), CPU, lambda: now[0])
    assert timing.epoch == Seconds(80.0, 80.0, 80.0)  # 8 steps


def test_a_damaged_file_ends_the_trial_at_its_step(
    make_work: Callable[[], EpochWork], decoded_ahead: list[Decoders]
) -> None:
    work = make_work()
    batches = work.batches["search_train"] if isinstance(work.batches, dict) else work.batches
    images = batches._images
    path = images.root / images.paths[int(batches.rows(2)[0])]
    path.write_bytes(b"")
    work.begin_epoch(0)
    for index in range(2):
        work.step(0, index)
    with pytest.raises(DataError, match=str(path)):
        work.step(0, 2)
