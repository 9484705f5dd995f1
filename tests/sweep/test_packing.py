"""The sizes of `runtime.pack: auto` where nothing has to be measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from aca_ray.config import EvaluationTrial, RuntimeSpec, SearchTrial
from aca_ray.pipeline.orders import EvaluationOrder, Order, SearchOrder, packable_searches, packed_searches
from aca_ray.sweep.packing import automatic_sizes

PLACE = Path("folder")


def search(seed: int) -> SearchOrder:
    trial = SearchTrial(
        method="darts",
        skip="searched",
        space="darts",
        seed=seed,
        epochs=2,
        data={"name": "digits"},
        network={"channels": 4, "cells": 3},
        batch_size=16,
    )
    return SearchOrder(trial, PLACE, PLACE)


def retraining(seed: int) -> EvaluationOrder:
    found = search(seed).trial
    return EvaluationOrder(EvaluationTrial.of_search(found, "small", 0, None, None), PLACE, PLACE, found, PLACE)


def packed(orders: Sequence[Order], runtime: RuntimeSpec) -> tuple[list[tuple[Order, ...]], list[str]]:
    groups, said = packable_searches(orders), list[str]()
    return packed_searches(groups, automatic_sizes(groups, runtime, said.append)), said


def test_on_a_cpu_nothing_is_packed_and_one_line_says_so() -> None:
    orders = [search(seed) for seed in range(3)]
    found, said = packed(orders, RuntimeSpec(pack="auto"))
    assert found == [(order,) for order in orders]
    (line,) = said
    assert line.startswith("runtime.pack: auto is 1")
    assert "CPU" in line


@pytest.mark.parametrize("gpus", [0, 0.5])
@pytest.mark.parametrize("make", [retraining, lambda seed: search(0)])
def test_without_packable_searches_nothing_is_measured_or_shown(gpus: float, make: Callable[[int], Order]) -> None:
    orders = [make(seed) for seed in range(2 if make is retraining else 1)]
    found, said = packed(orders, RuntimeSpec(pack="auto", gpus_per_trial=gpus))
    assert found == [(order,) for order in orders]
    assert said == []
