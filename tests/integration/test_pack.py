"""Packed searches in a real sweep whose worker is killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from aca_ray.cluster.pool import RayPool
from aca_ray.cluster.session import ray
from aca_ray.config import RuntimeSpec, SearchTrial
from aca_ray.driver.interrupt import Interrupt
from aca_ray.driver.packing import automatic_sizes
from aca_ray.sweep.orders import SearchOrder, packable_searches

if TYPE_CHECKING:
    from conftest import SweepProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

SAME = {"seed": 0, "skip": "searched", "epochs": 4}  # common to a search here and one of the undisturbed sweep


def test_packed_searches_are_the_same_searches(process: SweepProcess, undisturbed: SweepProcess) -> None:
    process.replace(
        ("seeds: [0]", "seeds: [0, 1]\n  skip: searched"),
        ("epochs: [2, 4]", "epochs: 4"),
        ("  controls: [uniform]\n", ""),
        ("{protocol: small}", "{protocol: small}\nruntime: {pack: 2}"),
    )
    running = process.start("run", "spec.yaml")
    victim = process.wait_for_epoch("search", 1)
    os.kill(int(victim["process"].rpartition(":")[2]), signal.SIGKILL)
    assert running.wait(timeout=600) == 0, process.output()
    assert "its process died" in process.output()
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
    # After so few steps all mixing weights are within 0.001 of each other, so rounding can decide the genotype.
    (other,) = (record for record in searches if record["trial"]["seed"] == 1)
    for kind in ("normal", "reduce"):
        tables = torch.tensor([record["mixing"][kind] for record in (alone, both, other)]).flatten(1)
        to_same_seed, to_other_seed = torch.corrcoef(tables)[0, 1:].tolist()
        assert to_same_seed > 0.9
        assert abs(to_other_seed) < 0.5
    for row, expected in zip(both["rows"], alone["rows"], strict=True):
        assert row["metrics"]["search_valid/loss"] == pytest.approx(expected["metrics"]["search_valid/loss"], rel=1e-2)


@pytest.fixture
def ray_that_hands_out_a_gpu() -> Iterator[None]:
    """Connect to a Ray that offers one GPU, whether the machine has one or not."""
    environment = dict(os.environ)  # which Ray changes, and the processes of later tests inherit
    try:
        ray.init(address="local", num_cpus=1, num_gpus=1, include_dashboard=False, log_to_driver=False)
        yield
    finally:
        ray.shutdown()
        os.environ.clear()
        os.environ.update(environment)


def said_of_three_seeds(folder: Path) -> tuple[list[int], list[str]]:
    """Return the sizes of `pack: auto` for three seeds of one search, and the lines after the first."""
    orders = [
        SearchOrder(
            SearchTrial(
                method="darts",
                skip="searched",
                space="s2",
                seed=seed,
                epochs=1,
                data={"name": "digits", "max_train_images": 64, "max_test_images": 8},
                network={"channels": 4, "cells": 3},
                batch_size=16,
            ),
            folder / str(seed),
            folder,
        )
        for seed in range(3)
    ]
    said: list[str] = []
    runtime = RuntimeSpec(pack="auto", gpus_per_trial=1)
    pool = RayPool("packed", runtime, Interrupt(), said.append, reuses_processes=True)
    sizes = automatic_sizes(packable_searches(orders), runtime, pool, said.append)
    assert said[0].startswith("runtime.pack: auto ")
    assert "1 kinds" in said[0]
    return sizes, said[1:]


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_searches_that_cannot_be_measured_are_not_packed(ray_that_hands_out_a_gpu: None, tmp_path: Path) -> None:
    sizes, (line,) = said_of_three_seeds(tmp_path)
    assert sizes == [1]
    assert line.startswith("runtime.pack: auto is 1 for darts searched s2 digits e1: ")
    assert "failed (" in line
    assert line.count("CUDA") + line.count("NVIDIA")


@pytest.mark.gpu
def test_as_many_as_fit_are_packed(ray_that_hands_out_a_gpu: None, tmp_path: Path) -> None:
    sizes, (line,) = said_of_three_seeds(tmp_path)
    assert sizes == [3]  # tiny ones
    assert line.startswith("runtime.pack: auto is 3 for darts searched s2 digits e1: ")
    assert "GiB" in line
