"""The draws of GDAS."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from aca_ray.methods.gdas import METHOD, hard_gumbel_softmax, temperature
from aca_ray.methods.moment import Moment
from aca_ray.methods.registry import find_method
from aca_ray.nn import CellMixing, Mixing
from aca_ray.search.search import Search
from aca_ray.space import SPACES

BuildSearch = Callable[..., Search]

MASK = torch.tensor([[True, True, True], [True, True, False], [True, False, False]])


def test_temperature() -> None:
    values = [temperature(Moment(epoch, 250)) for epoch in range(250)]
    assert (values[0], values[-1]) == (10.0, 0.1)
    steps = [after - before for before, after in pairwise(values)]
    assert steps == pytest.approx([-9.9 / 249] * 249)
    assert temperature(Moment(0, 1)) == 10.0


@pytest.mark.parametrize("epoch", [0, 4])
def test_values_are_one_hot_and_the_gradient_is_that_of_the_relaxed_draw(epoch: int) -> None:
    moment = Moment(epoch, 5)
    for seed in range(20):
        alpha = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
        scale = torch.randn(3, 3, dtype=torch.float64)
        torch.manual_seed(seed)
        weights = hard_gumbel_softmax(alpha, MASK, moment)
        assert torch.equal(weights.sum(dim=1), torch.ones(3, dtype=torch.float64))
        assert bool(((weights == 0) | (weights == 1)).all())
        assert bool((weights[~MASK] == 0).all())
        (found,) = torch.autograd.grad((weights * scale).sum(), alpha)

        torch.manual_seed(seed)
        noise = -torch.empty(3, 3, dtype=torch.float64).exponential_().log()
        for row, count in enumerate((3, 2, 1)):
            logits = ((torch.log_softmax(alpha[row, :count], dim=0)) + noise[row, :count]) / (
                10.0 if epoch == 0 else 0.1
            )
            relaxed = torch.softmax(logits, dim=0)
            assert int(weights[row].argmax()) == int(relaxed.argmax())
            (expected,) = torch.autograd.grad((relaxed * scale[row, :count]).sum(), alpha, retain_graph=True)
            assert torch.allclose(found[row], expected[row], atol=1e-12)


@pytest.mark.parametrize("epoch", [0, 4])
def test_operations_are_drawn_with_the_softmax_as_probabilities(epoch: int) -> None:
    logits = torch.tensor([0.0, 1.0, -1.0])
    num_draws = 20_000
    drawn = hard_gumbel_softmax(
        logits.expand(num_draws, 3), torch.ones(num_draws, 3, dtype=torch.bool), Moment(epoch, 5)
    )
    assert torch.allclose(drawn.mean(dim=0), logits.softmax(dim=0), atol=4 * 0.5 / num_draws**0.5)


def test_a_variate_of_zero_counts_as_the_smallest_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.Tensor, "exponential_", lambda self: self.copy_(torch.tensor([[1.0, 0.0, 2.0]])))
    weights = hard_gumbel_softmax(torch.zeros(1, 3), MASK[:1], Moment(0, 5))
    assert weights.tolist() == [[0.0, 1.0, 0.0]]


def test_a_pass_draws_once_per_cell_type_and_measuring_never(build_search: BuildSearch) -> None:
    search = build_search(METHOD, SPACES["darts"], num_cells=3)
    state = torch.get_rng_state()
    settled = search.mixing()
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.allclose(settled.normal.operations, search.parameters["alpha_normal"].detach().softmax(dim=1))
    one, other = (METHOD.mixing(search.space, search.parameters, search.moment) for _ in range(2))
    assert not torch.equal(one.normal.operations, other.normal.operations)
    assert not torch.equal(one.normal.operations, one.reduce.operations)


def gradients_of_drawn_weights(search: Search) -> tuple[Tensor, Tensor]:
    """Return the drawn mixing weights of the normal cell, and the gradient of a loss in them."""
    drawn = METHOD.mixing(search.space, search.parameters, search.moment).detach()
    table = drawn.normal.operations.clone().requires_grad_()
    images, labels = search.batches["search_valid"].batch(0)
    logits = search.network(images, Mixing(CellMixing(table), drawn.reduce))
    (gradient,) = torch.autograd.grad(torch.nn.functional.cross_entropy(logits, labels), table)
    return drawn.normal.operations, gradient


def test_candidates_that_were_not_drawn_get_a_gradient_on_nasbench201_alone(build_search: BuildSearch) -> None:
    """In the DARTS spaces, the official mixed operation returns only the drawn candidate times its weight."""
    weights, gradient = gradients_of_drawn_weights(build_search(METHOD, SPACES["darts"], num_cells=3))
    assert bool((gradient[weights == 0.0] == 0.0).all())
    assert bool((gradient[weights == 1.0] != 0.0).any())
    weights, gradient = gradients_of_drawn_weights(build_search(METHOD, SPACES["nasbench201"], num_cells=3))
    assert bool((gradient[weights == 0.0] != 0.0).all())


def test_the_batch_is_256_in_the_spaces_of_darts_and_64_on_nasbench201() -> None:
    assert METHOD.on(SPACES["darts"]).recipe.batch_size == 256
    assert METHOD.on(SPACES["nasbench201"]).recipe.batch_size == 64


def test_pooling_has_no_batch_norm(build_search: BuildSearch) -> None:
    network = build_search(METHOD, SPACES["darts"], num_cells=3).network
    pools = [module for name, module in network.named_modules() if name.endswith("pool_3x3")]
    assert len(pools) == 3 * 14 * 2
    assert all(isinstance(pool, torch.nn.MaxPool2d | torch.nn.AvgPool2d) for pool in pools)


def test_weights_that_a_step_does_not_use_keep_their_momentum_and_decay(build_search: BuildSearch) -> None:
    """v = mu v + wd w; w -= lr (wd w + mu v) with Nesterov, from the second step after a weight's first gradient."""
    search = build_search(METHOD, SPACES["darts"], num_epochs=50, num_cells=3)
    optimizer, checked = search.weight_optimizer, 0
    for index in range(6):
        before = {weight: weight.detach().clone() for weight in search.network.parameters()}
        buffers = {
            weight: state["momentum_buffer"].clone()
            for weight, state in optimizer.state.items()
            if state.get("momentum_buffer") is not None
        }
        search.step(0, index % 2)
        search.clock, search._step = 0, 0
        for weight, buffer in buffers.items():
            if not bool(weight.grad.any()):
                velocity = 0.9 * buffer + 5e-4 * before[weight]
                expected = before[weight] - 0.025 * (5e-4 * before[weight] + 0.9 * velocity)
                assert torch.allclose(weight, expected, atol=1e-7)
                checked += 1
        unknown = [weight for weight in before if weight not in buffers and weight.grad is None]
        assert all(torch.equal(weight, before[weight]) for weight in unknown)
    assert checked > 10


@pytest.mark.parametrize("name", ["gdas", "pr_darts"])
def test_batch_norm_and_relu_follow_the_last_cell(build_search: BuildSearch, name: str) -> None:
    """The official `lastact`: if batch norm outputs only its bias, the logits are the classifier's of that bias."""
    network = build_search(find_method(name), SPACES["darts"], num_cells=3).network.eval()
    norm, relu = network.head
    assert isinstance(relu, torch.nn.ReLU)
    with torch.no_grad():
        norm.weight.zero_()
        norm.bias.copy_(torch.linspace(-1.0, 1.0, norm.num_features))
        mixing = Mixing(*(CellMixing(torch.full((14, 8), 0.125)) for _ in range(2)))
        logits = network(torch.randn(2, 3, 8, 8), mixing)
        assert torch.allclose(logits, network.classifier(norm.bias.relu()).expand(2, -1), atol=1e-6)
