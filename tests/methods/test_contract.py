"""What every registered method owes, in every space, with skips searched and allocated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.registry import methods
from aca_ray.nn import DerivedNetwork, candidate_mask
from aca_ray.search.search import Search
from aca_ray.space import CELL_TYPES, SPACES, Space, without_skip
from aca_ray.training import EpochLoop

SLOW = {"darts_second_order"}  # 2.5 times the passes of the others
BuildSearch = Callable[..., Search]


def cases(*spaces: str, slow: tuple[str, ...]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("method", "space"),
        [
            pytest.param(
                method,
                without_skip(SPACES[space]) if skip == "allocated" else SPACES[space],
                id=f"{method.name}-{skip}-{space}",
            )
            for method in methods().values()
            for skip in ("searched", "allocated")
            for space in (slow if method.name in SLOW else spaces)
            if skip == "searched" or without_skip(SPACES[space]) is not SPACES[space]
        ],
    )


def copies(search: Search) -> tuple[list[Tensor], list[Tensor]]:
    """Return copies of the architecture parameters and of the weights."""
    return (
        [parameter.detach().clone() for parameter in search.parameters.values()],
        [parameter.detach().clone() for parameter in search.network.parameters()],
    )


def same(before: list[Tensor], after: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@cases(*SPACES, slow=("darts", "s1", "s2", "s3", "s4"))
def test_a_step_reaches_every_parameter_and_a_valid_genotype_comes_out(
    build_search: BuildSearch, method: SearchMethod, space: Space
) -> None:
    search = build_search(method, space)
    architecture, weights = copies(search)
    search.clock = 1
    search.step(1, 0)

    for cell_type in CELL_TYPES:
        mask = candidate_mask(space, cell_type)
        open_edges = mask.sum(dim=1) > 1
        gradient = search.parameters[f"alpha_{cell_type}"].grad
        assert gradient is not None
        assert bool(gradient.isfinite().all())
        assert torch.equal(gradient != 0, mask & open_edges[:, None])  # one candidate alone leaves nothing to decide
        if method.relax_edges is not None:
            gradient = search.parameters[f"beta_{cell_type}"].grad
            assert gradient is not None
            assert bool(gradient.isfinite().all())
            assert bool((gradient != 0).all())  # every node has two edges or more
    for before, parameter in zip(weights, search.network.parameters(), strict=True):
        assert bool(parameter.isfinite().all())
        assert not torch.equal(before, parameter)
    assert not same(architecture, copies(search)[0])

    genotype = search.genotype()
    assert genotype == search.genotype()
    for cell_type in CELL_TYPES:
        cell = genotype.cell(cell_type)
        assert cell.concat == tuple(space.topology.intermediate_nodes)
        offered = dict(zip(space.topology.edges, space.candidates(cell_type), strict=True))
        for edge in cell.edges:
            assert edge.operation in offered[edge.edge]
            assert edge.operation != "none"
        assert len({edge.edge for edge in cell.edges}) == 2 * len(cell.concat) == len(cell.edges)
    network = DerivedNetwork(genotype, None, channels=4, num_cells=3, num_classes=3)
    assert bool(network(torch.randn(2, 3, 8, 8)).isfinite().all())


@cases("s1", "s3", slow=("s1",))
def test_neither_step_touches_the_other_ones_parameters(
    build_search: BuildSearch, method: SearchMethod, space: Space
) -> None:
    frozen = build_search(replace(method, recipe=replace(method.recipe, arch_start=0.9)), space, num_cells=3)
    architecture, weights = copies(frozen)
    frozen.clock = 1
    frozen.step(1, 0)
    assert same(architecture, copies(frozen)[0])
    assert not same(weights, copies(frozen)[1])

    still = replace(method.recipe, weight_lr=0.0, weight_lr_min=0.0)
    resting = build_search(replace(method, recipe=still), space, num_cells=3)
    architecture, weights = copies(resting)
    resting.clock = 1
    resting.step(1, 0)
    assert not same(architecture, copies(resting)[0])
    assert same(weights, copies(resting)[1])


@pytest.mark.parametrize("name", methods())
def test_the_weights_never_include_the_architecture(build_search: BuildSearch, name: str) -> None:
    search = build_search(methods()[name], SPACES["s3"], num_cells=3)
    architecture = {id(parameter) for parameter in search.parameters.values()}
    weights = {id(parameter) for parameter in search.network.parameters()}
    assert not architecture & weights
    for optimizer, own in ((search.weight_optimizer, weights), (search.arch_optimizer, architecture)):
        assert {id(parameter) for group in optimizer.param_groups for parameter in group["params"]} == own


def differences(one: Any, other: Any, place: str = "") -> list[str]:
    """Return the places where two nested states differ in a single bit."""
    if isinstance(one, dict):
        if list(one) != list(other):
            return [f"{place}: keys"]
        return [found for key in one for found in differences(one[key], other[key], f"{place}/{key}")]
    if isinstance(one, list | tuple):
        if len(one) != len(other):
            return [f"{place}: length"]
        pairs = enumerate(zip(one, other, strict=True))
        return [found for index, pair in pairs for found in differences(*pair, f"{place}/{index}")]
    equal = torch.equal(one, other) if isinstance(one, Tensor) else one == other
    return [] if equal else [place]


def final_state(loop: EpochLoop) -> dict[str, Any]:
    state = loop.state_dict()
    del state["seconds"]
    return state


def run(loop: EpochLoop) -> list[dict[str, float]]:
    """Run to the end; return what was measured in every epoch, except time and memory."""
    rows = []
    while not loop.finished:
        report = loop.advance()
        assert report is not None
        rows.append({k: v for k, v in report.metrics.items() if not k.startswith(("time/", "memory/"))})
    return rows


@cases("s1", "s4", slow=("s4",))
def test_going_on_from_a_checkpoint_is_not_having_stopped(
    build_search: BuildSearch, through_a_file: Callable[[Any], Any], method: SearchMethod, space: Space
) -> None:
    straight = EpochLoop(build_search(method, space, num_cells=3), 2)
    rows = run(straight)

    stopped = EpochLoop(build_search(method, space, num_cells=3), 2)
    states = []  # in the middle of an epoch, and between two
    for position in ((0, 1), (1, 0)):
        stopped.advance(0.0)
        assert (stopped.epoch, stopped.step) == position
        states.append(through_a_file(stopped.state_dict()))
    for state in states:
        search = build_search(method, space, num_cells=3)
        loop = EpochLoop(search, 2)
        loop.load_state_dict(state)
        assert run(loop) == rows[state["epoch"] :]
        assert not differences(final_state(loop), final_state(straight))


@pytest.mark.parametrize("name", methods())
def test_seeds_decide(build_search: BuildSearch, name: str) -> None:
    def outcome(seed: int) -> list[Tensor]:
        search = build_search(methods()[name], SPACES["s2"], num_cells=3, seed=seed)
        np.random.seed(0)  # a global generator that someone else used
        search.clock = 1
        search.step(1, 0)
        return [part for parts in copies(search) for part in parts]

    assert same(outcome(1), outcome(1))
    assert not any(torch.equal(one, other) for one, other in zip(outcome(1), outcome(2), strict=True) if one.dim() > 1)
