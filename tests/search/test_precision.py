"""Searches whose passes are computed in bfloat16: the state stays float32."""

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
from aca_ray.nn import Supernet
from aca_ray.packing import Member, Pack
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]

DARTS, SPACE = find_method("darts"), SPACES["s2"]
LONG = {"darts_pt": 50, "opp_darts": 50}  # in a single epoch, they would train for minutes between stages
IN_EVERY_TIER = {"darts", "gdas", "pc_darts"}


def cases() -> Iterator[Any]:
    for method in methods().values():
        marks = [] if method.name in IN_EVERY_TIER else [pytest.mark.slow]
        space = compact(SPACES["s2" if "s2" in method.spaces else min(method.spaces)])
        yield pytest.param(method, space, id=method.name, marks=marks)


def after_two_steps(search: Search) -> Search:
    for index in range(2):
        search.step(search.clock, index)
    return search


def tensors(state: Any) -> Iterator[Tensor]:
    if isinstance(state, Tensor):
        yield state
    elif isinstance(state, dict | list | tuple):
        for value in state.values() if isinstance(state, dict) else state:
            yield from tensors(value)


@pytest.mark.parametrize(("method", "space"), list(cases()))
def test_every_method_keeps_float32_and_nearly_its_loss(
    build_search: BuildSearch, method: SearchMethod, space: Space
) -> None:
    build = partial(build_search, method, space, num_cells=3, num_epochs=LONG.get(method.name, 1))
    exact, rounded = (after_two_steps(build(precision=precision)) for precision in (torch.float32, torch.bfloat16))
    state = rounded.state_dict()
    kept = {name: value for name, value in state.items() if name != "train_meter"}  # which is float64
    floating = [tensor for tensor in tensors(kept) if tensor.is_floating_point()]
    assert {tensor.dtype for tensor in floating} == {torch.float32}
    assert all(bool(tensor.isfinite().all()) for tensor in floating)
    assert state["weight_optimizer"]["state"]
    loss, expected = rounded.train_meter.read()[0], exact.train_meter.read()[0]
    assert loss != expected
    assert loss == pytest.approx(expected, rel=0.05)


def test_logits_are_float32_and_of_fewer_digits(build_search: BuildSearch) -> None:
    exact, rounded = (
        build_search(DARTS, SPACE, num_cells=3, precision=precision) for precision in (torch.float32, torch.bfloat16)
    )
    images, _ = exact.batches["search_train"].batch(0)
    # In evaluation mode: batch statistics of a batch of one class would amplify every difference.
    logits, expected = (search.network.eval()(images, search.mixing()) for search in (rounded, exact))
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, expected)
    assert torch.equal(logits, logits.bfloat16().float())
    torch.testing.assert_close(logits, expected, rtol=0.05, atol=0.05)


def test_the_precision_is_not_part_of_the_state(build_search: BuildSearch) -> None:
    exact, rounded = (
        build_search(DARTS, SPACE, num_cells=3, precision=precision) for precision in (torch.float32, torch.bfloat16)
    )
    exact.load_state_dict(after_two_steps(rounded).state_dict())
    after_two_steps(exact)
    images, _ = exact.batches["search_valid"].batch(0)
    logits = exact.network(images, exact.mixing())
    assert not torch.equal(logits, logits.bfloat16().float())


def test_resuming_from_a_checkpoint_equals_an_uninterrupted_run(
    build_search: BuildSearch, through_a_file: Callable[[Any], Any], differences: Callable[[Any, Any], list[str]]
) -> None:
    build = partial(build_search, DARTS, SPACE, num_cells=3, precision=torch.bfloat16)
    straight = EpochLoop(build(), 2)
    straight.advance(0.0)  # one step
    state = through_a_file(straight.state_dict())
    resumed = EpochLoop(build(), 2)
    resumed.load_state_dict(state)
    reports = []
    for loop in (straight, resumed):
        while not loop.finished:
            report = loop.advance()
        assert report is not None
        reports.append({name: value for name, value in report.metrics.items() if "/" in name and "time" not in name})
        del reports[-1]["memory/peak_bytes"]
    assert reports[0] == reports[1]
    assert not differences(resumed.work.state_dict(), straight.work.state_dict())


def test_stages_keep_the_precision(build_search: BuildSearch) -> None:
    search = build_search(find_method("drnas"), SPACES["s2"], num_cells=3, num_epochs=2, precision=torch.bfloat16)
    first = search.network
    for epoch in range(2):
        for index in range(search.steps_per_epoch):
            search.step(epoch, index)
    assert search.network is not first
    assert search.network.precision == torch.bfloat16


def test_packed_searches_in_bfloat16_compute_their_passes_alone(build_search: BuildSearch) -> None:
    seeds = (3, 4)
    build = partial(build_search, DARTS, SPACE, num_cells=3, precision=torch.bfloat16)
    expected = [after_two_steps(build(seed=seed)).network for seed in seeds]
    found: dict[int, Supernet] = {}

    def task(seed: int, member: Member) -> None:
        found[seed] = after_two_steps(build(seed=seed, accelerate=member.accelerate)).network

    pack = Pack(torch.device("cpu"), len(seeds))
    pack.run([partial(task, seed, member) for seed, member in zip(seeds, pack.members, strict=True)])
    assert pack.counts()["computed"] == pack.counts()["passes"]
    for seed, network in zip(seeds, expected, strict=True):
        ours, theirs = found[seed].state_dict(), network.state_dict()
        assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())
