"""FairDARTS: sigmoids, the zero-one loss, and edges kept above a threshold."""

from __future__ import annotations

import math

import pytest
import torch

from aca_ray.methods.fair_darts import above, build, sigmoid_operations, zero_one_loss
from aca_ray.methods.moment import Moment
from aca_ray.methods.parts.derivation import top_two
from aca_ray.methods.registry import find_method
from aca_ray.methods.views import ArchState
from aca_ray.nn import CellMixing, Mixing
from aca_ray.space import SPACES, CellGenotype, Space, Topology, find_space

NAMES = ("none", "skip_connect", "sep_conv_3x3")
MOMENT = Moment(0, 1)


def space(num_nodes: int = 3, names: tuple[str, ...] = NAMES) -> Space:
    topology = Topology(num_inputs=2, num_nodes=num_nodes)
    return Space("tiny", topology, normal=(names,) * len(topology.edges), reduce=(names,) * len(topology.edges))


def derive(skip: list[float], sep: list[float], none: float = 0.0) -> CellGenotype:
    """Return the normal cell of three nodes for the mixing weights of its nine edges."""
    table = torch.stack((torch.full((9,), none), torch.tensor(skip), torch.tensor(sep)), dim=1)
    mixing = Mixing(CellMixing(table), CellMixing(torch.rand(9, 3)))
    return above(0.85)(mixing, space()).normal


def test_candidates_do_not_compete() -> None:
    mask = torch.tensor([[True, True, True], [True, True, False]])
    alpha = torch.tensor([[0.0, math.log(3.0), -math.log(4.0)], [7.0, 0.0, 9.0]])
    weights = sigmoid_operations(alpha, mask, MOMENT)
    expected = torch.tensor([[0.5, 0.75, 0.2], [1.0 / (1.0 + math.exp(-7.0)), 0.5, 0.0]])
    assert torch.allclose(weights, expected)
    assert weights[1, 2] == 0


def test_all_weights_begin_at_one_half() -> None:
    parameters = find_method("fair_darts").initial_parameters(SPACES["s1"], torch.Generator())
    mixing = find_method("fair_darts").mixing(SPACES["s1"], parameters, MOMENT)
    assert torch.equal(mixing.normal.operations, torch.full((14, 2), 0.5))


def test_the_zero_one_loss_against_its_closed_form() -> None:
    ragged = Space(
        "ragged",
        Topology(num_inputs=2, num_nodes=1),
        normal=(("skip_connect", "sep_conv_3x3"), ("noise",)),
        reduce=(("noise",), ("noise",)),
    )
    alpha = {
        "alpha_normal": torch.tensor([[0.3, -1.2], [0.8, 5.0]], requires_grad=True),
        "alpha_reduce": torch.tensor([[2.0], [-0.4]], requires_grad=True),
    }
    mixing = find_method("fair_darts").mixing(ragged, alpha, MOMENT)
    loss = zero_one_loss(10.0)(ArchState(alpha, mixing, ragged, MOMENT))
    logits = [0.3, -1.2, 0.8, 2.0, -0.4]  # those of real candidates, of both cells
    sigma = [1.0 / (1.0 + math.exp(-value)) for value in logits]
    assert loss.item() == pytest.approx(-10.0 * sum((s - 0.5) ** 2 for s in sigma) / 5)
    normal, reduce = torch.autograd.grad(loss, tuple(alpha.values()))
    expected = [-10.0 * 2.0 * (s - 0.5) * s * (1.0 - s) / 5 for s in sigma]
    assert torch.allclose(normal, torch.tensor([expected[:2], [expected[2], 0.0]]))
    assert torch.allclose(reduce.flatten(), torch.tensor(expected[3:]))


def test_deleted_edges_have_no_zero_one_loss() -> None:
    deleted = Space("deleted", Topology(2, 1), normal=(("skip_connect", "noise"), ("none",)), reduce=(("noise",),) * 2)
    alpha = {"alpha_normal": torch.tensor([[0.3, -1.2], [9.0, 5.0]]), "alpha_reduce": torch.tensor([[2.0], [-0.4]])}
    state = ArchState(alpha, find_method("fair_darts").mixing(deleted, alpha, MOMENT), deleted, MOMENT)
    sigma = [1.0 / (1.0 + math.exp(-value)) for value in (0.3, -1.2, 2.0, -0.4)]
    assert zero_one_loss(10.0)(state).item() == pytest.approx(-10.0 * sum((s - 0.5) ** 2 for s in sigma) / 4)


def test_edges_below_the_threshold_are_dropped() -> None:
    cell = derive(
        # into node 2 from 0, 1; into 3 from 0, 1, 2; into 4 from 0, 1, 2, 3
        skip=[0.9, 0.2, 0.1, 0.86, 0.1, 0.95, 0.9, 0.99, 0.1],
        sep=[0.1, 0.84, 0.1, 0.2, 0.87, 0.1, 0.1, 0.1, 0.97],
    )
    assert cell.edges == (
        ("skip_connect", 0, 2),
        ("sep_conv_3x3", 2, 3),
        ("skip_connect", 1, 3),
        ("skip_connect", 2, 4),  # .95 and .90 reach the threshold too, but only two are kept
        ("sep_conv_3x3", 3, 4),
    )
    assert cell.concat == (2, 3, 4)


def test_the_threshold_itself_is_reached() -> None:
    table = torch.zeros(9, 3)
    table[0, 1], table[1, 1] = 0.75, 0.7499
    mixing = Mixing(CellMixing(table), CellMixing(table))
    assert above(0.75)(mixing, space()).normal.edges == (("skip_connect", 0, 2),)


def test_edges_from_a_removed_node_are_removed_too() -> None:
    # Node 2 has no input, node 3 reads only node 2, node 4 reads node 3 and an input.
    low = 0.1
    cell = derive(
        skip=[low, low, low, low, 0.9, low, 0.86, low, 0.99],
        sep=[low] * 9,
    )
    assert cell.edges == (("skip_connect", 1, 4),)
    assert cell.concat == (4,)


def test_an_edge_from_a_removed_node_is_not_replaced() -> None:
    # Into node 4, the edge from node 3, which is removed, displaces one from an input that reaches the threshold too.
    low = 0.1
    cell = derive(skip=[0.9, low, low, low, low, 0.9, low, 0.95, 0.99], sep=[low] * 9)
    assert cell.edges == (("skip_connect", 0, 2), ("skip_connect", 2, 4))
    assert cell.concat == (2, 4)


def test_none_takes_no_part() -> None:
    low = 0.1
    sep = [0.9, low, low, low, low, low, low, low, low]
    assert derive([low] * 9, sep, none=1.0) == derive([low] * 9, sep)
    assert derive([low] * 9, sep, none=1.0).edges == (("sep_conv_3x3", 0, 2),)


def test_a_cell_without_survivors_falls_back_alone() -> None:
    below, surviving = torch.rand(9, 3) * 0.8, torch.rand(9, 3) * 0.8
    surviving[0, 2] = 0.9
    mixing = Mixing(CellMixing(surviving), CellMixing(below))
    genotype = above(0.85)(mixing, space())
    assert genotype.normal.edges == (("sep_conv_3x3", 0, 2),)
    assert genotype.reduce == top_two(mixing, space()).reduce


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("darts_without_none", False),
        ("darts(skip_connect,nor_conv_3x3)", False),
        ("darts(skip_connect,nor_conv_3x3;normal 0->3=none)", False),
        ("darts(skip_connect,nor_conv_3x3;reduce 0->2=none,noise)", True),
        ("darts", True),
        ("s3", True),
        ("nasbench201(skip_connect,nor_conv_3x3)", True),
    ],
)
def test_spaces_that_it_refuses(text: str, refused: bool) -> None:
    assert (find_method("fair_darts").refuses(find_space(text)) is not None) is refused


def test_settings() -> None:
    parameters = {"alpha_normal": torch.full((9, 3), 2.0), "alpha_reduce": torch.full((9, 3), 2.0)}
    mixing = build().mixing(space(), parameters, MOMENT)
    state = ArchState(parameters, mixing, space(), MOMENT)
    assert build(zero_one_weight=5.0).penalty(state).item() == pytest.approx(build().penalty(state).item() / 2)
    table = torch.tensor([[0.0, 0.6, 0.0]] * 9)
    table[0, 1] = 0.9
    mixing = Mixing(CellMixing(table), CellMixing(table))
    assert len(build().derive(mixing, space()).normal.edges) == 1
    assert len(build(threshold=0.5).derive(mixing, space()).normal.edges) == 6
