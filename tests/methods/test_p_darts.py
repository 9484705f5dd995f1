"""P-DARTS: dropout, stages, and the limit on skips."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import product

import pytest
import torch

from aca_ray.methods.moment import moment_at
from aca_ray.methods.p_darts import build, dropout
from aca_ray.methods.parts.derivation import top_two
from aca_ray.methods.parts.narrowing import keep_strongest
from aca_ray.methods.parts.skip_cap import top_two_with_few_skips
from aca_ray.methods.registry import find_method
from aca_ray.nn import CellMixing, Mixing
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Genotype, Space, Topology

BuildSearch = Callable[..., Search]
P_DARTS = find_method("p_darts")
LENGTHS = (25, 25, 25)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [
        (0, 0.096),
        (24, 0.1 * math.exp(-2.8)),
        (25, 0.384),
        (34, 0.24),
        (35, 0.4),
        (49, 0.0243),
        (50, 0.672),
        (74, 0.7 * math.exp(-2.8)),
    ],
)
def test_dropout_rates(epoch: int, expected: float) -> None:
    assert dropout(moment_at(epoch, 75, LENGTHS)) == pytest.approx(expected, abs=5e-5)


def test_dropout_scales_with_the_budget() -> None:
    for epoch in range(75):
        assert dropout(moment_at(2 * epoch, 150, LENGTHS)) == pytest.approx(dropout(moment_at(epoch, 75, LENGTHS)))


def test_learning_rate_falls_to_zero_in_every_stage() -> None:
    for epoch in range(75):
        expected = 0.0125 * (1 + math.cos(math.pi * (epoch % 25) / 25))
        assert P_DARTS.learning_rate(P_DARTS.recipe, moment_at(epoch, 75, LENGTHS)) == pytest.approx(expected)


def test_stages_are_deeper_have_fewer_candidates_and_start_from_scratch(build_search: BuildSearch) -> None:
    search = build_search(P_DARTS, SPACES["darts"], num_epochs=3, num_cells=8)
    depths, widths = [], []
    for epoch in range(3):
        search.clock = epoch
        old, old_space = search.mixing(), search.space
        before = {name: weight.detach().clone() for name, weight in search.network.named_parameters()}
        search._enter_epoch()
        depths.append(len(search.network.cells))
        widths.append({len(names) for kind in ("normal", "reduce") for names in search.space.candidates(kind)})
        if epoch:
            for kind in ("normal", "reduce"):
                for row, names, left in zip(
                    old.cell(kind).operations, old_space.candidates(kind), search.space.candidates(kind), strict=True
                ):
                    dropped = [float(row[names.index(name)]) for name in names if name not in left]
                    assert max(dropped) <= min(float(row[names.index(name)]) for name in left)
            assert not torch.equal(search.network.get_parameter("stem.0.weight"), before["stem.0.weight"])
            assert not search.weight_optimizer.state
            assert not search.arch_optimizer.state
        search.step(epoch, 0)
    assert depths == [5, 11, 17]
    assert widths == [{8}, {5}, {3}]
    assert len(set(search.space.normal)) > 1  # edges differ


def test_smaller_spaces_drop_in_proportion(build_search: BuildSearch) -> None:
    ragged = SPACES["darts_without_none"].normal[0], SPACES["s2"].normal[0], SPACES["s3"].normal[0]
    edges = (*ragged, ("none", "noise"), ("noise",))
    space = Space("tiny", Topology(num_inputs=2, num_nodes=2), normal=edges, reduce=edges)
    search = build_search(P_DARTS, space, num_epochs=3, num_cells=3)
    with torch.no_grad():
        search.parameters["alpha_normal"][:, 0] += 1.0  # `none` would win on its edges
    counts = []
    for epoch in range(3):
        search.clock = epoch
        search._enter_epoch()
        counts.append([len(names) for names in search.space.normal])
    assert counts == [[7, 2, 3, 2, 1], [5, 2, 2, 2, 1], [3, 1, 2, 1, 1]]
    assert search.space.normal[3] == ("noise",)


def test_none_is_never_the_only_candidate_left() -> None:
    edges = (("none", "noise", "skip_connect"), ("none",))
    space = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=edges, reduce=edges)
    weights = CellMixing(torch.tensor([[0.6, 0.1, 0.3], [1.0, 0.0, 0.0]]))
    for count, left in ((1, ("skip_connect",)), (2, ("none", "skip_connect"))):
        space_left = keep_strongest(Mixing(weights, weights), space, lambda cell_type, edge, count=count: count)
        assert space_left.normal == space_left.reduce == (left, ("none",))


def test_both_gradients_are_clipped() -> None:
    assert P_DARTS.recipe.clip_norm == P_DARTS.recipe.arch_clip_norm == 5.0


TOPOLOGY = Topology(num_inputs=2, num_nodes=2)
NAMES = ("none", "skip_connect", "sep_conv_3x3")


def derived(rows: list[list[float]], max_skips: int, names: tuple[str, ...] = NAMES) -> Genotype:
    space = Space("tiny", TOPOLOGY, normal=(names,) * 5, reduce=(names,) * 5)
    table = CellMixing(torch.tensor(rows))
    return top_two_with_few_skips(Mixing(table, table), space, max_skips)


def shown(genotype: Genotype) -> list[str]:
    return [f"{edge.operation[:4]}-{edge.source}" for edge in genotype.normal.edges]


ROWS = [[0.1, 0.6, 0.3], [0.1, 0.5, 0.4], [0.0, 0.8, 0.2], [0.0, 0.7, 0.3], [0.85, 0.05, 0.1]]


@pytest.mark.parametrize(
    ("max_skips", "expected"),
    [
        (8, ["skip-0", "skip-1", "skip-0", "skip-1"]),
        (4, ["skip-0", "skip-1", "skip-0", "skip-1"]),
        (3, ["skip-0", "sep_-1", "skip-0", "skip-1"]),
        (2, ["sep_-1", "sep_-0", "skip-0", "skip-1"]),
        (1, ["sep_-1", "sep_-0", "skip-0", "sep_-1"]),
        (0, ["sep_-1", "sep_-0", "sep_-1", "sep_-0"]),
    ],
)
def test_the_weakest_skips_are_removed_first_and_only_from_the_normal_cell(max_skips: int, expected: list[str]) -> None:
    genotype = derived(ROWS, max_skips)
    assert shown(genotype) == expected
    assert genotype.reduce == derived(ROWS, 8).normal


def test_an_edge_without_its_skip_competes_again_for_its_node() -> None:
    rows = [[0.0, 0.1, 0.9], [0.0, 0.1, 0.9], [0.0, 0.8, 0.2], [0.1, 0.5, 0.4], [0.3, 0.2, 0.5]]
    assert shown(derived(rows, 8))[2:] == ["skip-0", "skip-1"]
    assert shown(derived(rows, 1))[2:] == ["skip-0", "sep_-2"]


def test_it_ends_if_the_space_offers_only_skips() -> None:
    assert shown(derived([[0.5, 0.5]] * 5, 2, ("none", "skip_connect"))) == ["skip-0", "skip-1"] * 2


def test_the_limit_is_respected_and_changes_nothing_below_it() -> None:
    torch.manual_seed(0)
    space = SPACES["darts"]
    for _, max_skips in product(range(10), (0, 2, 5, 8)):
        logits = torch.randn(2, 14, 8)
        logits[:, :, 3] += 2.0
        mixing = Mixing(*map(CellMixing, logits.softmax(dim=2)))
        genotype, free = top_two_with_few_skips(mixing, space, max_skips), top_two(mixing, space)
        skips, before = (sum(e.operation == "skip_connect" for e in g.normal.edges) for g in (genotype, free))
        assert skips <= max_skips
        assert before > 0
        assert (genotype == free) == (before <= max_skips)


def test_the_limit_is_a_setting(build_search: BuildSearch) -> None:
    mixing = Mixing(*(CellMixing(torch.tensor([[0.6, 0.4]] * 14)) for _ in range(2)))
    counts = [build(max_skips=limit).genotype(mixing, SPACES["s2"]).num_skips for limit in (0, 2, 8)]
    assert counts == [8, 10, 16]  # 8 in the reduction cell
    assert P_DARTS.genotype(mixing, SPACES["s2"]).num_skips == 10
