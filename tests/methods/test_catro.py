"""The ranking of the passing channels, which changes nothing else."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from aca_ray.data import SearchData, evaluation_batches
from aca_ray.methods import catro
from aca_ray.methods.core import one_stage
from aca_ray.nn.supernet import Supernet
from aca_ray.search.search import Search
from aca_ray.space import SPACES, without_skip
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]
SPACE = without_skip(SPACES["s2"])  # one operation per edge, for fast passes


def passing(network: Supernet) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in network.state_dict().items() if name.endswith(".passing")}


def best_by_all_subsets(features: Tensor, labels: Tensor, count: int) -> list[int]:
    b, w = torch.zeros(features.shape[1]).double(), torch.full((features.shape[1],), 1e-8).double()
    for label in labels.unique():
        members = features[labels == label].double()
        b += len(members) * (members.mean(dim=0) - features.double().mean(dim=0)) ** 2
        w += ((members - members.mean(dim=0)) ** 2).sum(dim=0)
    subsets = itertools.combinations(range(features.shape[1]), count)
    return list(max(subsets, key=lambda subset: float(b[list(subset)].sum() / w[list(subset)].sum())))


def test_the_best_set_of_every_edges_input_channels(build_search: BuildSearch, search_data: SearchData) -> None:
    search = build_search(catro.METHOD, SPACE, num_epochs=4, num_cells=3)
    loop = EpochLoop(search, 4)
    loop.advance()
    first = passing(search.network)
    assert all(value.tolist() == list(range(len(value))) for value in first.values())
    before, mixing = copy.deepcopy(search.network).eval(), search.mixing()
    search.step(1, 0)
    found = passing(search.network)

    states: dict[int, list[Tensor]] = {}
    for index, cell in enumerate(before.cells):
        cell.inputs.register_forward_hook(lambda _, __, output, index=index: states.update({index: output}))
    ((images, labels),) = evaluation_batches(search_data.train, search_data.info, 16, torch.device("cpu"))
    with torch.no_grad():
        before(images, mixing)
    for cell, inputs in states.items():
        for index, edge in enumerate(SPACE.topology.edges):
            if edge.source < 2:
                channels = found[f"cells.{cell}.edges.{index}.passing"]
                features = inputs[edge.source].mean(dim=(2, 3))
                assert channels.tolist() == best_by_all_subsets(features, labels, len(channels))
    assert any(not torch.equal(found[name], first[name]) for name in found)


def test_everything_except_the_channels_is_unchanged(
    build_search: BuildSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catro, "best_channels", lambda view: {})

    def outcome(method: Any) -> list[Tensor]:
        search = build_search(method, SPACES["s3"], num_epochs=3, num_cells=3)
        for epoch in range(3):
            for step in range(search.steps_per_epoch):
                search.step(epoch, step)
        return [*search.network.state_dict().values(), *search.parameters.values()]

    # Adam's moments exist only if the stage begins after an update of the architecture.
    moving = replace(catro.METHOD, recipe=replace(catro.METHOD.recipe, arch_start=0.0))
    staged = replace(moving, stages=lambda space: (catro.Stage(1), catro.Stage(2, begin=catro.rank)))
    for one, other in zip(outcome(staged), outcome(replace(moving, stages=one_stage)), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(("num_epochs", "first"), [(50, 15), (10, 3), (100, 30), (7, 3)])
def test_the_architecture_moves_once_channels_are_ranked(
    num_epochs: int, first: int, build_search: BuildSearch
) -> None:
    def moved(epoch: int) -> bool:
        search = build_search(catro.METHOD, SPACES["s3"], num_epochs=num_epochs, num_cells=3)
        before = [parameter.detach().clone() for parameter in search.parameters.values()]
        search.clock = epoch
        search.step(epoch, 0)
        is_ranked = any(value.tolist() != list(range(len(value))) for value in passing(search.network).values())
        has_moved = not all(map(torch.equal, before, search.parameters.values()))
        assert is_ranked or not has_moved
        return has_moved

    assert not moved(0)
    assert not moved(first - 1)
    assert moved(first)


def test_resuming_from_a_checkpoint_keeps_the_ranking(
    build_search: BuildSearch, through_a_file: Callable[[Any], Any]
) -> None:
    def step(search: Search, position: int) -> None:
        search.step(*divmod(position, search.steps_per_epoch))

    straight = build_search(catro.METHOD, SPACE, num_epochs=4, num_cells=3)
    for position in range(3):
        step(straight, position)
    state = through_a_file(straight.state_dict())
    other = build_search(catro.METHOD, SPACE, num_epochs=4, num_cells=3)
    other.load_state_dict(state)
    for search in (straight, other):
        step(search, 3)
    for one, two in zip(straight.network.state_dict().values(), other.network.state_dict().values(), strict=True):
        assert torch.equal(one, two)
