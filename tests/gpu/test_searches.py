"""Searches and rankings on a GPU give what a CPU gives, except for rounding and draws."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from compact_spaces import compact

from aca_ray.channels import rank_channels
from aca_ray.channels.rankers import RANKERS
from aca_ray.data import evaluation_batches
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.registry import find_method, methods
from aca_ray.search.search import Search
from aca_ray.space import SPACES, without_skip
from aca_ray.training import EpochLoop, tf32_allowed

BuildSearch = Callable[..., Search]
pytestmark = pytest.mark.gpu

CPU, GPU = torch.device("cpu"), torch.device("cuda")
# The two devices draw different numbers.
DRAWING = {"gdas", "pr_darts", "drnas", "p_darts", "r_darts_dp", "sdarts_rs", "random_search", "sp_darts"}
WITHOUT_DRAWS = sorted(set(methods()) - DRAWING)


def search_of(build_search: BuildSearch, method: SearchMethod, device: torch.device, **settings: Any) -> Search:
    space = compact(SPACES["s2"] if len(method.spaces) == len(SPACES) else SPACES[min(method.spaces)])
    return build_search(method, space, device=device, **settings)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", sorted(methods()))
def test_an_epoch_of_every_method_gives_finite_numbers(build_search: BuildSearch, name: str, precision: str) -> None:
    search = search_of(build_search, find_method(name), GPU, precision=precision)
    report = EpochLoop(search, 2).advance()
    assert report is not None
    assert all(parameter.device.type == "cuda" for parameter in search.network.parameters())


@pytest.mark.parametrize("name", WITHOUT_DRAWS)
def test_a_step_is_that_of_a_cpu(build_search: BuildSearch, name: str) -> None:
    found: list[list[torch.Tensor]] = []
    with tf32_allowed(False):
        for device in (CPU, GPU):
            search = search_of(build_search, find_method(name), device)
            search.begin_epoch(0)
            search.step(search.clock, 0)
            found.append([parameter.detach().cpu() for parameter in search.network.parameters()])
    for on_cpu, on_gpu in zip(*found, strict=True):
        assert torch.allclose(on_cpu, on_gpu, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("ranking", sorted(RANKERS))
def test_ranks_are_those_of_a_cpu(build_search: BuildSearch, ranking: str) -> None:
    found: list[Any] = []
    with tf32_allowed(False):
        for device in (CPU, GPU):
            search = build_search(find_method("darts"), without_skip(compact(SPACES["s2"])), device=device)
            batches = evaluation_batches(search.data.valid, search.data.info, 8, device)
            scores = rank_channels(
                search.network, search.mixing(), search.space, search.genotype(), batches, ranking, seed=0
            )
            found.append(scores)
    for on_cpu, on_gpu in zip(*(scores.edges for scores in found), strict=True):
        assert on_gpu.scores == pytest.approx(on_cpu.scores, rel=1e-2, abs=1e-4)
