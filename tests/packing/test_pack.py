"""Packed searches equal searches computed alone, except for rounding."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
import torch
from compact_spaces import compact
from torch import Tensor

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.registry import find_method, methods
from aca_ray.nn.fused import fuse
from aca_ray.packing import Member, Pack
from aca_ray.search.search import Accelerator, Search
from aca_ray.space import SPACES, Space
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]

CPU = torch.device("cpu")
DRAWING = {
    "gdas",
    "pr_darts",
    "p_darts",
    "r_darts_dp",
}  # their networks draw, or depend on draws, so they are computed alone
DECIDING, LONG = {"darts_pt", "opp_darts"}, 50  # in a single epoch, they would train for minutes between stages
IN_EVERY_TIER = {"darts", "gdas", "pc_darts"}
SEEDS = (3, 4)
SMALL = compact(SPACES["s2"])


def cases() -> Iterator[Any]:
    for method in methods().values():
        space = compact(SPACES["s2" if "s2" in method.spaces else min(method.spaces)])
        marks = [] if method.name in IN_EVERY_TIER else [pytest.mark.slow]
        yield pytest.param(method, space, id=method.name, marks=marks)


def steps(search: Search, number: int) -> None:
    for index in range(number):
        search.step(search.clock, index)


def state(search: Search) -> dict[str, Tensor]:
    return {**search.network.state_dict(), **search.parameters}


def assert_close(found: Search, expected: Search, *, exactly: bool = False) -> None:
    assert found.clock == expected.clock
    ours, theirs = state(found), state(expected)
    assert list(ours) == list(theirs)
    for name, tensor in ours.items():
        rounding = 0.0 if exactly else 1e-4
        torch.testing.assert_close(
            tensor, theirs[name], rtol=rounding, atol=rounding, msg=lambda m, n=name: f"{n}: {m}"
        )


def run_packed(tasks: list[Callable[[Member], None]]) -> Pack:
    """Run tasks, each with its member of a pack."""
    pack = Pack(CPU, len(tasks))
    pack.run([partial(task, member) for task, member in zip(tasks, pack.members, strict=True)])
    return pack


@pytest.mark.parametrize(("method", "space"), list(cases()))
def test_every_method(build_search: BuildSearch, method: SearchMethod, space: Space) -> None:
    def build(seed: int, **settings: Any) -> Search:
        num_epochs = LONG if method.name in DECIDING else 1
        return build_search(method, space, num_cells=3, num_epochs=num_epochs, seed=seed, **settings)

    expected = []
    for seed in SEEDS:  # one after the other, since they draw from global generators
        expected.append(build(seed))
        steps(expected[-1], 2)
    found: dict[int, Search] = {}

    def task(seed: int, member: Member) -> None:
        found[seed] = build(seed, accelerate=member.accelerate)
        steps(found[seed], 2)

    counts = run_packed([partial(task, seed) for seed in SEEDS]).counts()
    draws = method.name in DRAWING
    for seed, search in zip(SEEDS, expected, strict=True):
        assert_close(found[seed], search, exactly=draws)
    if draws:
        assert counts["computed"] == counts["passes"]
    else:
        assert counts["computed"] < counts["passes"]


def test_whole_searches_and_how_many_passes_they_take(build_search: BuildSearch) -> None:
    method, space = find_method("darts"), SMALL
    expected = [EpochLoop(build_search(method, space, num_cells=3, seed=seed), 2) for seed in SEEDS]
    reports = [[loop.advance() for _ in range(2)] for loop in expected]
    found: dict[int, list[Any]] = {}

    def task(seed: int, member: Member) -> None:
        search = build_search(method, space, num_cells=3, seed=seed, accelerate=member.accelerate)
        loop = EpochLoop(search, 2)
        found[seed] = [loop.advance(), loop.advance(), loop.work]

    # 2 epochs of 2 steps of 2 passes, each followed by the 2 batches of search_valid.
    assert run_packed([partial(task, seed) for seed in SEEDS]).counts() == {
        "searches": 2,
        "passes": 24,
        "computed": 12,
    }
    for seed, loop, (first, second) in zip(SEEDS, expected, reports, strict=True):
        assert_close(found[seed][2], loop.work)  # type: ignore[arg-type]
        for ours, theirs in zip(found[seed], (first, second), strict=False):
            for name, value in theirs.metrics.items():
                if not name.startswith(("time/", "memory/")):
                    assert ours.metrics[name] == pytest.approx(value, abs=1e-4), name


def test_searches_of_different_structure_are_computed_separately(build_search: BuildSearch) -> None:
    names = ("s1", "s2")
    found: dict[str, Search] = {}

    def task(name: str, member: Member) -> None:
        found[name] = build_search(
            find_method("darts"), SPACES[name], num_cells=3, num_epochs=1, accelerate=member.accelerate
        )
        steps(found[name], 1)

    counts = run_packed([partial(task, name) for name in names]).counts()
    assert counts["computed"] == counts["passes"] == 4
    for name in names:
        alone = build_search(find_method("darts"), SPACES[name], num_cells=3, num_epochs=1)
        steps(alone, 1)
        assert_close(found[name], alone, exactly=True)


def test_a_search_that_ends_early_or_fails_does_not_affect_the_others(build_search: BuildSearch) -> None:
    found: dict[int, Search] = {}

    def task(seed: int, number: int, member: Member) -> None:
        found[seed] = build_search(
            find_method("darts"), SMALL, num_cells=3, num_epochs=2, seed=seed, accelerate=member.accelerate
        )
        steps(found[seed], number)
        if number == 1:
            raise ValueError("diverged")

    with pytest.raises(ValueError, match="diverged"):
        run_packed([partial(task, seed, number) for seed, number in ((3, 2), (4, 1), (5, 2))])
    for seed, number in ((3, 2), (5, 2)):
        alone = build_search(find_method("darts"), SMALL, num_cells=3, num_epochs=2, seed=seed)
        steps(alone, number)
        assert_close(found[seed], alone)


def test_every_search_has_its_own_random_states(build_search: BuildSearch) -> None:
    def draws(seed: int, into: dict[int, list[float]], accelerate: Accelerator) -> None:
        search = build_search(find_method("darts"), SMALL, num_cells=3, num_epochs=1, seed=seed, accelerate=accelerate)
        into[seed] = [torch.rand(()).item()]
        steps(search, 1)
        into[seed].append(torch.rand(()).item())

    alone: dict[int, list[float]] = {}
    for seed in SEEDS:
        draws(seed, alone, fuse)
    found: dict[int, list[float]] = {}

    def task(seed: int, member: Member) -> None:
        draws(seed, found, member.accelerate)

    run_packed([partial(task, seed) for seed in SEEDS])
    assert found == alone


def test_time_is_shared_and_constant_between_two_requests(build_search: BuildSearch) -> None:
    seen: dict[int, list[float]] = {}

    def task(seed: int, member: Member) -> None:
        search = build_search(
            find_method("darts"), SMALL, num_cells=3, num_epochs=1, seed=seed, accelerate=member.accelerate
        )
        seen[seed] = []
        for index in range(2):
            search.step(0, index)
            seen[seed].append(member.seconds())

    run_packed([partial(task, seed) for seed in SEEDS])
    assert seen[3] == seen[4]
    assert 0 < seen[3][0] < seen[3][1]


def test_passes_use_all_threads_and_the_searches_themselves_use_one(build_search: BuildSearch) -> None:
    seen: dict[str, set[int]] = {"pass": set(), "search": set()}

    def task(member: Member) -> None:
        search = build_search(find_method("darts"), SMALL, num_cells=3, accelerate=member.accelerate)
        search.network.stem[0].register_forward_hook(lambda *_: seen["pass"].add(torch.get_num_threads()))
        search.step(0, 0)
        seen["search"].add(torch.get_num_threads())

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        run_packed([task, task])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert seen == {"pass": {2}, "search": {1}}
