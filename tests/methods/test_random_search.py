"""Random search: the distribution of its architectures, which only the draw determines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations, product

import pytest
import torch

from aca_ray.methods.moment import Moment
from aca_ray.methods.random_search import METHOD, equal_chances, uniform_operations
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology, without_skip
from aca_ray.space.genotype import Genotype
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]
MOMENT = Moment(0, 1)
TWO_NODES = Topology(num_inputs=2, num_nodes=2)
SKIP, SEP, DIL, MAX = "skip_connect", "sep_conv_3x3", "dil_conv_3x3", "max_pool_3x3"
RAGGED = ((SEP, DIL), (DIL,), (SEP,), (SEP, DIL, MAX), (DIL, MAX))


def draw(space: Space, seed: int) -> Genotype:
    parameters = METHOD.initial_parameters(space, torch.Generator().manual_seed(seed))
    return METHOD.genotype(METHOD.settled_mixing(space, parameters, MOMENT), space)


def cells(space: Space) -> set[frozenset[tuple[str, int, int]]]:
    """Every normal cell: two edges per node, with any operation except `none` on each."""
    names = dict(zip(space.topology.edges, space.normal, strict=True))
    per_node = [
        [
            frozenset((name, *edge) for name, edge in zip(chosen, pair, strict=True))
            for pair in combinations([edge for edge in names if edge.target == node], 2)
            for chosen in product(*([name for name in names[edge] if name != "none"] for edge in pair))
        ]
        for node in space.topology.intermediate_nodes
    ]
    return {frozenset().union(*choice) for choice in product(*per_node)}


def pairs(cell: frozenset[tuple[str, int, int]]) -> frozenset[tuple[int, int]]:
    return frozenset((source, target) for _, source, target in cell)


@pytest.mark.parametrize(
    "names",
    [((SKIP, SEP),) * 5, (("none", SEP, DIL),) * 5, ((SEP,),) * 5, RAGGED],
    ids=["plain", "with none", "edges alone", "ragged"],
)
def test_every_architecture_is_equally_likely(names: tuple[tuple[str, ...], ...]) -> None:
    space = Space("tiny", TWO_NODES, normal=names, reduce=((SEP,),) * 5)
    num_draws = 2000
    found = Counter(frozenset(map(tuple, draw(space, seed).normal.edges)) for seed in range(num_draws))
    possible = cells(space)
    assert set(found) <= possible
    # Uniform over pairs of edges and, given a pair, over its operations.
    num_pairs = len({pairs(cell) for cell in possible})
    with_pair = Counter(map(pairs, possible))
    expected = {cell: num_draws / num_pairs / with_pair[pairs(cell)] for cell in possible}
    statistic = sum((found[cell] - count) ** 2 / count for cell, count in expected.items())
    freedom = len(possible) - 1
    assert statistic < freedom + 4 * (2 * freedom) ** 0.5  # mean and deviation of a chi-square variable
    assert num_pairs == 3


def test_every_operation_is_equally_likely_where_every_edge_is_kept() -> None:
    space, num_draws = SPACES["nasbench201"], 1000
    found = Counter(edge for seed in range(num_draws) for edge in draw(space, seed).normal.edges)
    expected = num_draws / 5
    assert len(found) == 6 * 4
    assert all(abs(count - expected) < 5 * (expected * 0.8) ** 0.5 for count in found.values())


@pytest.mark.parametrize("space", [*SPACES.values(), *(without_skip(space) for space in SPACES.values())])
def test_both_cells_differ_between_seeds(space: Space) -> None:
    drawn = {draw(space, seed) for seed in range(8)}
    assert len({genotype.normal for genotype in drawn}) > 1
    assert len(drawn) > 4


def test_the_weights_see_all_real_candidates_evenly() -> None:
    mask = torch.tensor([[True, True, True, True], [True, True, False, False], [True, False, False, False]])
    expected = torch.tensor([[0.25] * 4, [0.5, 0.5, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0]])
    assert torch.equal(uniform_operations(torch.randn(3, 4), mask, MOMENT), expected)


def test_the_strongest_candidate_of_every_edge_is_uniform_in_strength() -> None:
    mask = torch.arange(1, 6)[:, None] > torch.arange(5)
    strongest = torch.stack([equal_chances(torch.randn(5, 5), mask, MOMENT).amax(dim=1) for _ in range(4000)])
    assert torch.allclose(strongest.mean(dim=0), torch.full((5,), 1 / 2), atol=0.02)
    assert torch.allclose(strongest.square().mean(dim=0), torch.full((5,), 1 / 3), atol=0.02)
    assert bool((equal_chances(torch.randn(5, 5), mask, MOMENT)[~mask] == 0).all())


def test_a_search_trains_weights_and_never_the_architecture(build_search: BuildSearch) -> None:
    space = Space("tiny", TWO_NODES, normal=RAGGED, reduce=((SEP,),) * 5)
    search = build_search(METHOD, space, num_epochs=2, num_cells=3)
    architecture = {name: parameter.detach().clone() for name, parameter in search.parameters.items()}
    genotype = search.genotype()
    weights = [weight.detach().clone() for weight in search.network.parameters()]
    loop = EpochLoop(search, 2)
    while not loop.finished:
        loop.advance()
    assert all(torch.equal(architecture[name], parameter) for name, parameter in search.parameters.items())
    assert search.genotype() == genotype
    assert not any(torch.equal(one, other) for one, other in zip(weights, search.network.parameters(), strict=True))
