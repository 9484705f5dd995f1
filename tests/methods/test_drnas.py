"""DrNAS: drawn mixing weights, and its second stage."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from aca_ray.methods.moment import Moment, moment_at
from aca_ray.methods.parts.dirichlet import dirichlet_operations
from aca_ray.methods.recipe import Recipe
from aca_ray.methods.registry import find_method
from aca_ray.nn.edges import FullEdge, PartialChannelEdge
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology

BuildSearch = Callable[..., Search]
DRNAS = find_method("drnas")
NOW = Moment(0, 1)
RAGGED = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])
NAMES = ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "dil_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=(NAMES,) * 2, reduce=(NAMES, NAMES[:3]))


def concentration(alpha: Tensor) -> Tensor:
    return torch.where(alpha > 0, alpha + 1, alpha.exp())  # elu + 1, written out


def test_rows_are_points_of_the_simplex_of_their_candidates() -> None:
    alpha = torch.randn(3, 3, requires_grad=True)
    weights = dirichlet_operations(alpha, RAGGED, NOW)
    assert torch.equal(weights > 0, RAGGED)
    assert torch.allclose(weights.sum(dim=1), torch.ones(3))
    assert float(weights[2, 0].detach()) == 1.0
    assert not torch.equal(weights, dirichlet_operations(alpha, RAGGED, NOW))
    (gradient,) = torch.autograd.grad((weights * torch.randn(3, 3)).sum(), alpha)
    assert torch.equal(gradient != 0, RAGGED & torch.tensor([[True], [True], [False]]))


def test_extreme_logits_stay_finite() -> None:
    alpha = torch.tensor([[-100.0, -100.0, -100.0], [200.0, -100.0, 0.0], [-30.0, 0.0, 0.0]], requires_grad=True)
    for _ in range(50):
        weights = dirichlet_operations(alpha, RAGGED, NOW)
        (gradient,) = torch.autograd.grad((weights * torch.arange(3.0)).sum(), alpha)
        assert bool(weights.isfinite().all())
        assert bool(gradient.isfinite().all())


def test_mean_variance_and_gradient_are_those_of_the_distribution() -> None:
    """E[w] = b/B and Var[w] = b(B - b) / (B^2 (B + 1)); d E[c w] / d alpha by autograd of the closed form."""
    row = torch.tensor([0.7, -1.2, 0.1, 9.0], dtype=torch.float64)
    mask = torch.tensor([True, True, True, False])
    cost = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    num_draws = 40_000
    alpha = row.expand(num_draws, 4).clone().requires_grad_()
    weights = dirichlet_operations(alpha, mask.expand(num_draws, 4), NOW)
    (gradient,) = torch.autograd.grad((weights[:, :3] @ cost).sum(), alpha)

    logits = row[:3].clone().requires_grad_()
    b = concentration(logits)
    total = b.sum()
    mean, variance = b / total, b * (total - b) / (total**2 * (total + 1))
    (expected,) = torch.autograd.grad(mean @ cost, logits)
    assert torch.allclose(weights[:, :3].mean(dim=0), mean, atol=0.01)
    assert torch.allclose(weights[:, :3].var(dim=0), variance, rtol=0.05)
    assert torch.allclose(gradient[:, :3].mean(dim=0), expected, atol=0.01)
    assert torch.equal(gradient[:, 3], torch.zeros(num_draws, dtype=torch.float64))


def test_drawing_over_remaining_candidates_equals_drawing_over_all_and_renormalizing() -> None:
    row = torch.tensor([0.7, -1.2, 0.0, 0.0])  # the masked entries have concentration 1, as in the official code
    num_draws = 40_000
    alpha = row.expand(num_draws, 4)
    left = dirichlet_operations(alpha[:, :2], torch.ones(num_draws, 2, dtype=torch.bool), NOW)
    over_all = dirichlet_operations(alpha, torch.ones(num_draws, 4, dtype=torch.bool), NOW)[:, :2]
    renormalized = over_all / over_all.sum(dim=1, keepdim=True)
    levels = torch.linspace(0.05, 0.95, 10)
    assert torch.allclose(left[:, 0].quantile(levels), renormalized[:, 0].quantile(levels), atol=0.02)


def test_the_architecture_is_measured_without_a_draw(build_search: BuildSearch) -> None:
    search = build_search(DRNAS, SPACE, num_cells=3)
    assert torch.equal(search.mixing().normal.operations, search.parameters["alpha_normal"].detach().softmax(dim=1))


def test_the_second_stage_keeps_the_best_four_and_their_trained_state(build_search: BuildSearch) -> None:
    search = build_search(DRNAS, SPACE, num_epochs=10, num_cells=3)
    search.clock = 4
    search.step(4, 0)
    search.step(4, 1)
    moments = search.arch_optimizer.state[search.parameters["alpha_normal"]]
    old = {name: alpha.detach().clone() for name, alpha in search.parameters.items()}
    learned = old["alpha_normal"], moments["exp_avg"].clone(), moments["exp_avg_sq"].clone()
    best = [sorted(row.topk(4).indices.tolist()) for row in learned[0]]
    momentum = {
        name: search.weight_optimizer.state[weight]["momentum_buffer"].clone()
        for name, weight in search.network.named_parameters()
        if ".edges." not in name
    }
    assert len(set(map(tuple, best))) == 2  # edges differ
    assert search.clock == 5
    search._enter_epoch()

    assert search.space.normal == tuple(tuple(NAMES[column] for column in columns) for columns in best)
    assert search.space.reduce[1] == NAMES[:3]
    alpha = search.parameters["alpha_normal"]
    moments = search.arch_optimizer.state[alpha]
    for table, before in zip((alpha, moments["exp_avg"], moments["exp_avg_sq"]), learned, strict=True):
        assert torch.equal(table, torch.stack([row[columns] for row, columns in zip(before, best, strict=True)]))
    assert torch.equal(search.parameters["alpha_reduce"][1, :3], old["alpha_reduce"][1, :3])
    for name, buffer in momentum.items():
        weight = search.network.get_parameter(name)
        assert torch.equal(search.weight_optimizer.state[weight]["momentum_buffer"], buffer)
    edges = [module for module in search.network.modules() if isinstance(module, PartialChannelEdge)]
    assert {edge.groups for edge in edges} == {4}
    assert search.weight_optimizer.param_groups[0]["lr"] == pytest.approx(0.1)  # reset by the new optimizer


def test_the_learning_rate_restarts_with_the_second_stage_and_falls_from_there() -> None:
    """The official scheduler in its recursive form: lr(e + 1) = lr(e) c(e + 1) / c(e), c(e) = 1 + cos(pi e / 50)."""
    lengths = [stage.epochs for stage in DRNAS.stages(SPACES["darts"])]
    lr = 0.1
    for epoch in range(50):
        if epoch == 25:
            lr = 0.1
        assert DRNAS.learning_rate(DRNAS.recipe, moment_at(epoch, 50, lengths)) == pytest.approx(lr)
        if epoch in (26, 30, 40):
            assert lr == pytest.approx({26: 0.0937, 30: 0.0691, 40: 0.0191}[epoch], abs=5e-5)  # printed by it
        lr *= (1 + math.cos(math.pi * (epoch + 1) / 50)) / (1 + math.cos(math.pi * epoch / 50))


@pytest.mark.parametrize(("epoch", "moves"), [(9, False), (10, True), (24, True), (25, False), (34, False), (35, True)])
def test_the_first_ten_epochs_of_both_stages_are_frozen(build_search: BuildSearch, epoch: int, moves: bool) -> None:
    search = build_search(DRNAS, SPACE, num_epochs=50, num_cells=3)
    search.clock = epoch
    search._enter_epoch()
    before = search.parameters["alpha_normal"].detach().clone()
    search.step(epoch, 0)
    assert torch.equal(before, search.parameters["alpha_normal"]) != moves


def test_cells_of_one_input_are_searched_whole_and_in_one_stage(build_search: BuildSearch) -> None:
    search = build_search(DRNAS, SPACES["nasbench201"], num_cells=5)
    method = DRNAS.on(search.space)
    assert len(method.stages(search.space)) == 1
    assert method.recipe == Recipe()  # official code: 0.025 to 0.001, 3e-4 for Adam, nothing frozen
    assert method.channel_divisor == 1
    assert all(isinstance(edge, FullEdge) for edge in search.network.cells[0].edges)
