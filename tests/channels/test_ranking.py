"""Ranking: repeatability, independence of batching, restored state, and errors."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from aca_ray.channels import RANKERS
from aca_ray.errors import ConfigError, DataError, TrialError
from aca_ray.nn import CellMixing, Mixing
from aca_ray.space import SPACES, Genotype

DRAWS_NOISE = pytest.mark.parametrize("kept", ["search", "skipping_search"])


@DRAWS_NOISE
@pytest.mark.parametrize("ranker", RANKERS)
def test_is_repeatable_to_the_bit(request, kept: str, ranker: str) -> None:
    search = request.getfixturevalue(kept)
    first = search.rank(ranker)
    torch.rand(1)  # other code may draw random numbers in between
    assert search.rank(ranker) == first


@DRAWS_NOISE
@pytest.mark.parametrize("ranker", RANKERS)
def test_restores_the_supernet_and_the_random_states(request, kept: str, ranker: str) -> None:
    search = request.getfixturevalue(kept)
    supernet = search.supernet
    supernet.train()
    supernet.cells[2].eval()  # flags are restored module by module
    supernet.stem[0].weight.requires_grad_(False)
    flags = [module.training for module in supernet.modules()]
    state = {name: value.clone() for name, value in supernet.state_dict().items()}
    random_state = torch.get_rng_state()
    logits = torch.zeros(search.mixing.normal.operations.shape, dtype=torch.float64, requires_grad=True)
    searched = Mixing(*(CellMixing(cell.operations + logits) for cell in (search.mixing.normal, search.mixing.reduce)))
    try:
        replace(search, mixing=searched).rank(ranker)
        assert [module.training for module in supernet.modules()] == flags
        assert not supernet.stem[0].weight.requires_grad
        assert sum(not parameter.requires_grad for parameter in supernet.parameters()) == 1
    finally:
        supernet.stem[0].weight.requires_grad_(True)
        supernet.train()
    assert logits.grad is None
    assert all(parameter.grad is None for parameter in supernet.parameters())
    assert all(torch.equal(value, state[name]) for name, value in supernet.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)


def test_restores_the_supernet_after_an_error(search) -> None:
    def broken():
        yield search.batches[0]
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        replace(search, batches=broken()).rank("taylor")
    assert search.supernet.training
    assert all(parameter.requires_grad for parameter in search.supernet.parameters())


@pytest.mark.parametrize("ranker", RANKERS)
def test_does_not_depend_on_batching(search, ranker: str) -> None:
    one_by_one = replace(search, batches=list(zip(search.images.split(1), search.labels.split(1), strict=True)))
    for edge, other in zip(search.rank(ranker).edges, one_by_one.rank(ranker).edges, strict=True):
        largest = max(map(abs, edge.scores))
        assert other.scores == pytest.approx(edge.scores, rel=1e-9, abs=1e-9 * largest)
        assert (other.standard_errors is None) == (edge.standard_errors is None)
        if edge.standard_errors is not None:
            assert other.standard_errors == pytest.approx(edge.standard_errors, rel=1e-7)


def test_one_image_has_no_standard_error(search) -> None:
    alone = replace(search, batches=[(search.images[:1], search.labels[:1])]).rank("taylor_identity")
    assert all(edge.standard_errors is None for edge in alone.edges)
    assert alone.decided_share is None


def test_errors_name_the_problem(search) -> None:
    with pytest.raises(ConfigError, match=r"'taylor_identiy'.*Did you mean taylor_identity"):
        search.rank("taylor_identiy")
    with pytest.raises(DataError, match=r"^ranking: taylor .*images.*batch"):
        replace(search, batches=[]).rank("taylor")
    cell = search.genotype.normal
    foreign = replace(cell, edges=(cell.edges[0]._replace(operation="sep_conv_5x5"), *cell.edges[1:]))
    with pytest.raises(ConfigError, match=r"normal edge 0: .*found sep_conv_5x5"):
        replace(search, genotype=Genotype(foreign, search.genotype.reduce)).rank("taylor")
    deep = replace(cell, edges=(*cell.edges, cell.edges[0]._replace(target=4)))
    with pytest.raises(ConfigError, match=r"normal edge 4: .*no edge 0-4"):
        replace(search, genotype=Genotype(deep, search.genotype.reduce)).rank("taylor")
    with pytest.raises(TrialError, match=r"cell 0, edge 0-2 \(sep_conv_3x3\): .*not finite.*checkpoint"):
        replace(search, batches=[(search.images * float("nan"), search.labels)]).rank("taylor")


def test_ranks_the_full_space_in_single_precision() -> None:
    from aca_ray.channels import rank_channels
    from aca_ray.nn import Supernet
    from aca_ray.space import PUBLISHED

    torch.manual_seed(0)
    space, genotype = SPACES["darts"], PUBLISHED["PC_DARTS_CIFAR"]
    supernet = Supernet(space, channels=2, num_cells=3, num_classes=10)
    mixing = Mixing(*(CellMixing(torch.full((14, 8), 1 / 8)) for _ in range(2)))
    images, labels = torch.randn(4, 3, 8, 8), torch.arange(4)
    scores = rank_channels(supernet, mixing, space, genotype, [(images, labels)], "taylor_identity", 0)
    assert [(edge.cell, edge.stage) for edge in scores.edges] == [(0, 0)] * 8 + [(1, 1)] * 8 + [(2, 3)] * 8
    assert [edge.genotype_edge for edge in scores.edges] == [*range(8)] * 3
    assert all(edge.strength == pytest.approx(1 / 7) for edge in scores.edges)
