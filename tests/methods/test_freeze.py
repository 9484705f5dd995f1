"""Epochs with a frozen architecture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from aca_ray.methods.registry import find_method, methods
from aca_ray.search.search import Search
from aca_ray.space import SPACES
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]


def architecture(search: Search) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in search.parameters.values()]


def moved(search: Search, epoch: int) -> bool:
    before = architecture(search)
    search.clock = epoch
    search.step(epoch, 0)
    return any(not torch.equal(one, other) for one, other in zip(before, architecture(search), strict=True))


@pytest.mark.parametrize(
    ("name", "num_epochs", "first"),
    [("pc_darts", 50, 15), ("pc_darts", 10, 3), ("pc_darts", 7, 3), ("adarts", 80, 15), ("adarts", 16, 3)],
)
def test_starts_after_the_papers_share(build_search: BuildSearch, name: str, num_epochs: int, first: int) -> None:
    search = build_search(find_method(name), SPACES["s2"], num_epochs=num_epochs, num_cells=3)
    assert not moved(search, 0)
    assert not moved(search, first - 1)
    assert moved(search, first)


def test_frozen_epochs_do_not_change_the_architecture(build_search: BuildSearch) -> None:
    search = build_search(find_method("pc_darts"), SPACES["s1"], num_epochs=5, num_cells=3)
    loop = EpochLoop(search, 5)
    initial = architecture(search)
    constant = []
    for _ in range(3):
        loop.advance()
        constant.append(all(torch.equal(one, other) for one, other in zip(initial, architecture(search), strict=True)))
    assert constant == [True, True, False]


@pytest.mark.parametrize("name", [name for name, method in methods().items() if method.recipe.arch_start == 0.0])
def test_the_others_start_at_once(build_search: BuildSearch, name: str) -> None:
    assert moved(build_search(methods()[name], SPACES["s2"], num_epochs=50, num_cells=3), 0)
