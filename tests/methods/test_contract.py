"""Every registered method, in different spaces, with skips searched and allocated.

That a method resumes bit for bit is part of its contract: see `tests/contract`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from compact_spaces import compact
from torch import Tensor

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.registry import find_method, method_settings, methods
from aca_ray.nn import CellMixing, DerivedNetwork, Mixing, candidate_mask
from aca_ray.nn.edges import SampledEdge
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Genotype, Space, without_skip
from aca_ray.space.labels import method_label
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]

IN_EVERY_TIER = "s1"  # ragged rows
MOST_STEPS = 40  # until draws have chosen every candidate


def on_spaces(*names: str, crossed: bool = True) -> Iterator[Any]:
    """Yield every method on every named space that it is defined on, with skips searched and allocated in turn.

    If not crossed, each method is on one of the spaces, in turn. A method that is defined on none of them is tested on
    the first of its own spaces.
    """
    for turn, method in enumerate(methods().values()):
        defined = [name for name in names if name in method.spaces]
        if defined and not crossed:
            defined = [defined[turn // 2 % len(defined)]]
        for number, name in enumerate(defined or sorted(method.spaces)[:1], turn):
            space = compact(SPACES[name]) if number % 2 else without_skip(compact(SPACES[name]))
            marks = [] if space.name == IN_EVERY_TIER else [pytest.mark.slow]
            yield pytest.param(method, space, id=f"{method.name}-{space.name}", marks=marks)


def cases(*names: str, crossed: bool = True) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(("method", "space"), list(on_spaces(*names, crossed=crossed)))


def first_defined(method: SearchMethod) -> Space:
    return next(compact(SPACES[name]) for name in ("s2", "darts") if name in method.spaces)


def architecture(search: Search) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in search.parameters.values()]


def weights(search: Search) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in search.network.parameters()]


def same(before: list[Tensor], after: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


def in_last_epoch(search: Search) -> Search:
    """Return the search at the beginning of its last epoch, where nothing is frozen and every stage has begun."""
    search.clock = search.num_epochs - 1
    return search


def check_valid(genotype: Genotype, space: Space) -> None:
    for cell_type in space.cell_types:
        cell = genotype.cell(cell_type)
        offered = dict(zip(space.topology.edges, space.candidates(cell_type), strict=True))
        for edge in cell.edges:
            assert edge.operation in offered[edge.edge]
            assert edge.operation != "none"
        assert len(set(cell.edges)) == len(cell.edges)
    network = DerivedNetwork(genotype, None, channels=4, num_cells=3, num_classes=3)
    assert bool(network(torch.randn(2, 3, 8, 8)).isfinite().all())


@cases("s1", "nasbench201")
def test_steps_reach_every_parameter_and_a_valid_genotype_comes_out(
    build_search: BuildSearch, method: SearchMethod, space: Space
) -> None:
    search = in_last_epoch(build_search(method, space, num_epochs=4, num_cells=3))
    never = method.recipe.arch_start == 1.0
    reached: dict[str, Tensor] = {}
    for index in range(MOST_STEPS):
        search.step(3, index)
        search.clock = 3  # repeat the last epoch
        assert all(bool(parameter.isfinite().all()) for parameter in search.network.parameters())
        for name, parameter in search.parameters.items():
            if parameter.grad is not None:
                assert bool(parameter.grad.isfinite().all())
                reached[name] = reached.get(name, False) | (parameter.grad != 0)
        if never or is_complete(search, reached):
            break
    assert reached == {} if never else is_complete(search, reached)
    before = weights(search)
    search.step(3, MOST_STEPS)
    computed = [parameter.grad is not None for parameter in search.network.parameters()]
    moved = [not torch.equal(one, other) for one, other in zip(before, weights(search), strict=True)]
    assert all(gradient for gradient, change in zip(computed, moved, strict=True) if change)
    assert sum(moved) > 0.9 * sum(computed)  # at the last learning rates, small updates are lost in rounding
    draws = any(isinstance(module, SampledEdge) for module in search.network.modules())
    assert any(computed) if draws or search.space != space else all(computed)  # not drawn or deleted: no gradient
    genotype = search.genotype()
    assert genotype == search.genotype()
    check_valid(genotype, space)


def is_complete(search: Search, reached: dict[str, Tensor]) -> bool:
    """Return whether every effective parameter had a gradient; entries without a candidate must have none."""
    for name, parameter in search.parameters.items():
        kind = name.partition("_")[2]
        if name.startswith("alpha"):
            mask = candidate_mask(search.space, kind)
            decides = mask & (mask.sum(dim=1) > 1)[:, None]  # a single candidate has no effect
        else:
            entering = [len(search.space.topology.incoming(edge.target)) for edge in search.space.topology.edges]
            decides = torch.tensor(entering) > 1
            mask = torch.ones_like(decides)
        found = reached.get(name, torch.zeros_like(parameter, dtype=torch.bool))
        assert not bool((found & ~mask).any())
        if bool((decides & ~found).any()):
            return False
    return True


@cases("s3", "nasbench201", crossed=False)
def test_each_step_updates_only_its_own_parameters(
    build_search: BuildSearch, method: SearchMethod, space: Space
) -> None:
    method = method.on(space)
    frozen = replace(method, recipe=replace(method.recipe, arch_start=1.0))
    search = in_last_epoch(build_search(frozen, space, num_epochs=4, num_cells=3))
    search.step(3, 0)
    before = architecture(search), weights(search)
    search.step(3, 1)
    assert same(before[0], architecture(search))
    assert not same(before[1], weights(search))

    if method.recipe.arch_start == 1.0:
        return
    resting = replace(method, learning_rate=lambda recipe, moment: 0.0)
    search = in_last_epoch(build_search(resting, space, num_epochs=4, num_cells=3))
    search.step(3, 0)
    before = architecture(search), weights(search)
    search.step(3, 1)
    assert not same(before[0], architecture(search))
    assert same(before[1], weights(search))


@pytest.mark.parametrize("name", methods())
def test_the_weights_never_include_the_architecture(build_search: BuildSearch, name: str) -> None:
    space = first_defined(methods()[name])
    search = build_search(methods()[name], space, num_cells=3)
    own = {id(parameter) for parameter in search.parameters.values()}
    others = {id(parameter) for parameter in search.network.parameters()}
    assert not own & others
    for optimizer, group in ((search.weight_optimizer, others), (search.arch_optimizer, own)):
        assert {id(parameter) for part in optimizer.param_groups for parameter in part["params"]} == group


def final_state(loop: EpochLoop) -> dict[str, Any]:
    state = loop.state_dict()
    del state["seconds"]
    return state


def run(loop: EpochLoop) -> list[dict[str, float]]:
    """Run to the end; return the metrics of every epoch, except time and memory."""
    rows = []
    while not loop.finished:
        report = loop.advance()
        assert report is not None
        rows.append({k: v for k, v in report.metrics.items() if not k.startswith(("time/", "memory/"))})
    return rows


@pytest.mark.parametrize("name", methods())
def test_the_seed_determines_the_search(build_search: BuildSearch, name: str) -> None:
    method = methods()[name]
    space = first_defined(method)

    def outcome(seed: int) -> list[Tensor]:
        search = build_search(method, space, num_epochs=50, num_cells=3, seed=seed)
        np.random.seed(0)  # other code may use a global generator
        search.step(0, 0)
        return [*architecture(search), *weights(search)]

    one, again, other = outcome(1), outcome(1), outcome(2)
    assert same(one, again)
    pairs = [(a, b) for a, b in zip(one, other, strict=False) if a.shape == b.shape and a.dim() > 1]
    assert pairs
    assert not any(torch.equal(a, b) for a, b in pairs)


def decided_mixings(space: Space) -> list[Mixing]:
    """Return mixing weights in all of [0, 1], which searches of a few steps do not reach."""
    generator = torch.Generator().manual_seed(0)
    shapes = [candidate_mask(space, kind).shape for kind in space.cell_types]
    return [Mixing(*(CellMixing(torch.rand(shape, generator=generator)) for shape in shapes)) for _ in range(10)]


# Settings of monitors are tested with the monitors, which may never act in a tiny search.
SETTINGS = [(name, key) for name, method in methods().items() if not method.monitor for key in method_settings(name)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "setting"), SETTINGS)
def test_every_setting_changes_something(
    build_search: BuildSearch, differences: Callable[[Any, Any], list[str]], name: str, setting: str
) -> None:
    known = method_settings(name)[setting]
    space = compact(SPACES["darts_without_none"])

    def outcome(method: SearchMethod) -> Any:
        loop = EpochLoop(build_search(method, space, num_epochs=3, num_cells=3), 3)
        return run(loop), final_state(loop), [method.genotype(mixing, space) for mixing in decided_mixings(space)]

    paper = outcome(methods()[name])
    others = (method_label(name, {setting: known.type(value)}) for value in (known.bounds.low, known.bounds.high))
    assert any(differences(paper, outcome(find_method(other))) for other in others)


def test_there_are_settings_to_test() -> None:
    assert SETTINGS
