"""The actor of a trial, in this process."""

from __future__ import annotations

from pathlib import Path

from aca_ray.config import SearchTrial
from aca_ray.pipeline.orders import SearchOrder
from aca_ray.sweep.actor import TrialActor


def test_a_search_is_drawn_where_it_ran(tmp_path: Path) -> None:
    trial = SearchTrial(
        method="darts",
        skip="searched",
        space="nasbench201",
        seed=0,
        epochs=1,
        data={"name": "digits", "max_train_images": 4, "max_test_images": 2},
        network={"channels": 1, "cells": 3},
        batch_size=2,
        milestones=(1,),
    )
    order = SearchOrder(trial, tmp_path / "search", tmp_path)
    actor = TrialActor({"order": order.to_json(), "threads": 1, "gpus": 0})
    assert actor.step()["done"]
    for name in ("genotype.svg", "mixing.svg"):
        assert (order.folder / name).stat().st_size > 1000
