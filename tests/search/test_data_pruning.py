"""Searches with data pruning."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from aca_ray.data import DATA_PRUNERS, SearchData
from aca_ray.methods.registry import find_method
from aca_ray.search.search import Search
from aca_ray.space import SPACES
from aca_ray.training import EpochLoop

NUM_EPOCHS = 5


@pytest.fixture
def build(search_data: SearchData) -> Callable[[str], Search]:
    def build_pruned(name: str) -> Search:
        return Search(
            find_method(name),
            SPACES["s2"],
            search_data,
            channels=4,
            num_cells=3,
            num_epochs=NUM_EPOCHS,
            seed=3,
            device=torch.device("cpu"),
            batch_size=4,
            pruner=DATA_PRUNERS["bdp"](search_data),
        )

    return build_pruned


@pytest.mark.parametrize("name", ["darts", "pc_darts"])
def test_steps_get_fewer_and_every_batch_comes_from_the_images_in_use(
    build: Callable[[str], Search], search_data: SearchData, name: str
) -> None:
    search = build(name)
    loop = EpochLoop(search, NUM_EPOCHS)
    steps = []
    while not loop.finished:
        report = loop.advance()
        assert report is not None
        steps.append(search.steps_per_epoch)
        labels = torch.cat([search.batches["search_train"].batch(index)[1] for index in range(steps[-1])])
        assert search._pruner is not None
        kept = search_data.train.labels[search._pruner.kept("search_train")]
        assert labels.sort().values.tolist() == kept.sort().values.tolist()
        assert len(kept) == search.images_per_epoch
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] < steps[0] == 4
    # The other split is pruned only once the architecture is updated, which reports its losses.
    assert len(search.batches["search_valid"]) < len(search_data.valid)


@pytest.mark.parametrize("name", ["darts", "darts_pt", "gdas"])
def test_every_image_in_use_is_in_a_pass(build: Callable[[str], Search], name: str) -> None:
    """These methods draw their batches elsewhere; a pruner needs the predictions of all images."""
    search = build(name)
    for batches in search.batches.values():
        rows = torch.cat([batches.rows(index) for index in range(batches.batches_per_pass)])
        assert sorted(rows.tolist()) == list(range(len(batches)))


@pytest.mark.slow
def test_resuming_from_a_checkpoint_equals_an_uninterrupted_run(
    build: Callable[[str], Search], through_a_file: Callable[[Any], Any]
) -> None:
    straight = EpochLoop(build("darts"), NUM_EPOCHS)
    states = []
    while not straight.finished:
        straight.advance(0.0)
        states.append(through_a_file(straight.state_dict()))
    end = straight.work.state_dict()
    for state in states[3:-1:4]:
        loop = EpochLoop(build("darts"), NUM_EPOCHS)
        loop.load_state_dict(state)
        while not loop.finished:
            loop.advance()
        found = loop.work.state_dict()
        assert torch.equal(found["network"]["classifier.weight"], end["network"]["classifier.weight"])
        for split in ("search_train", "search_valid"):
            assert torch.equal(found["pruner"]["kept"][split], end["pruner"]["kept"][split])
