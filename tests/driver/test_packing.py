"""The sizes of `runtime.pack: auto` where nothing has to be measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from aca_ray.config import RuntimeSpec, SearchTrial
from aca_ray.driver.packing import automatic_sizes
from aca_ray.driver.pool import Task, Work
from aca_ray.sweep.orders import SearchOrder, packable_searches, packed_searches

PLACE = Path("folder")


def search(seed: int, method: str = "darts") -> SearchOrder:
    trial = SearchTrial(
        method=method,
        skip="searched",
        space="darts",
        seed=seed,
        epochs=2,
        data={"name": "digits"},
        network={"channels": 4, "cells": 3},
        batch_size=16,
    )
    return SearchOrder(trial, PLACE, PLACE)


class NoPool:
    """A pool that is not needed."""

    slots = 1
    reuses_processes = True

    def run(self, work: Work) -> None:
        pytest.fail("no trial is run")

    def start(
        self, function: Callable[..., Any], *arguments: object, cpus: int = 0, gpus: float = 0.0, alone: bool = False
    ) -> Task:
        pytest.fail("nothing is measured")


def packed(orders: Sequence[SearchOrder], runtime: RuntimeSpec) -> tuple[list[tuple[SearchOrder, ...]], list[str]]:
    groups, said = packable_searches(orders), list[str]()
    return packed_searches(groups, automatic_sizes(groups, runtime, NoPool(), said.append)), said


def test_on_a_cpu_nothing_is_packed_and_one_line_says_so() -> None:
    orders = [search(seed) for seed in range(3)]
    found, said = packed(orders, RuntimeSpec(pack="auto"))
    assert found == [(order,) for order in orders]
    (line,) = said
    assert line.startswith("runtime.pack: auto is 1")
    assert "CPU" in line


@pytest.mark.parametrize("gpus", [0, 0.5])
def test_a_single_search_is_not_measured(gpus: float) -> None:
    found, said = packed([search(0)], RuntimeSpec(pack="auto", gpus_per_trial=gpus))
    assert found == [(search(0),)]
    assert said == []


def test_methods_of_several_stages_are_not_measured() -> None:
    """OPP-DARTS begins with one candidate per edge and ends with all of them."""
    orders = [search(seed, "opp_darts") for seed in range(3)]
    found, said = packed(orders, RuntimeSpec(pack="auto", gpus_per_trial=1))
    assert found == [(order,) for order in orders]
    (line,) = said
    assert "later stages" in line
