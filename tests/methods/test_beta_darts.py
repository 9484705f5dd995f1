"""The regularizer of beta-DARTS."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from aca_ray.methods.beta_darts import METHOD, build
from aca_ray.methods.moment import Moment
from aca_ray.methods.views import ArchState
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology

RAGGED = Space(
    "ragged",
    Topology(num_inputs=2, num_nodes=1),
    normal=(("skip_connect", "sep_conv_3x3"), ("noise",)),
    reduce=(("noise", "sep_conv_3x3"), ("max_pool_3x3",)),
)


def parameters() -> dict[str, torch.Tensor]:
    return {
        "alpha_normal": torch.tensor([[0.3, -1.2], [0.8, 50.0]], requires_grad=True),
        "alpha_reduce": torch.tensor([[2.0, 1.0], [-0.4, 60.0]], requires_grad=True),
    }


def penalty(alpha: dict[str, torch.Tensor], moment: Moment, space: Space = RAGGED) -> torch.Tensor:
    return METHOD.penalty(ArchState(alpha, METHOD.mixing(space, alpha, moment), space, moment))


def test_value_against_the_closed_form() -> None:
    normal = (math.log(math.exp(0.3) + math.exp(-1.2)) + 0.8) / 2
    reduce = (math.log(math.exp(2.0) + math.exp(1.0)) - 0.4) / 2
    assert penalty(parameters(), Moment(7, 50)).item() == pytest.approx(3.5 * (normal + reduce))


def test_deleted_edges_do_not_count() -> None:
    deleted = replace(RAGGED, reduce=(RAGGED.reduce[0], ("none",)))
    normal = (math.log(math.exp(0.3) + math.exp(-1.2)) + 0.8) / 2
    reduce = math.log(math.exp(2.0) + math.exp(1.0))
    assert penalty(parameters(), Moment(7, 50), deleted).item() == pytest.approx(3.5 * (normal + reduce))


def test_gradient_is_the_softmax() -> None:
    alpha, moment = parameters(), Moment(12, 50)
    normal, reduce = torch.autograd.grad(penalty(alpha, moment), tuple(alpha.values()))
    weights = METHOD.mixing(RAGGED, alpha, moment)
    assert torch.allclose(normal, 6.0 / 2 * weights.normal.operations)
    assert torch.allclose(reduce, 6.0 / 2 * weights.reduce.operations)
    assert normal[1, 1] == reduce[1, 1] == 0  # no candidates


@pytest.mark.parametrize(
    ("epoch", "num_epochs", "expected"),
    [
        (0, 100, 0.0),
        (99, 100, 49.5),
        (49, 50, 24.5),
        (1, 5, 0.5),
    ],
)
def test_the_weight_grows_by_a_half_per_epoch_at_any_budget(epoch: int, num_epochs: int, expected: float) -> None:
    rows = {"alpha_normal": torch.zeros(6, 5)}
    value = float(penalty(rows, Moment(epoch, num_epochs), SPACES["nasbench201"]))
    assert value == pytest.approx(expected * math.log(5.0))


def test_scale() -> None:
    alpha, moment = parameters(), Moment(3, 10)
    state = ArchState(alpha, METHOD.mixing(RAGGED, alpha, moment), RAGGED, moment)
    assert build(scale=25.0).penalty(state).item() == pytest.approx(METHOD.penalty(state).item() / 2)


def test_the_architecture_step_adds_it(build_search: Callable[..., Search]) -> None:
    """From equal states, the gradients with and without the regularizer differ by its gradient."""
    space, gradients = SPACES["s1"], []
    for scale in (0.0, 50.0):
        search = build_search(build(scale=scale), space, num_epochs=100, num_cells=3)
        before = {name: parameter.detach().clone() for name, parameter in search.parameters.items()}
        search.clock = 80
        search.step(80, 0)
        gradients.append([parameter.grad for parameter in search.parameters.values()])
    for alpha, plain, regularized in zip(before.values(), *gradients, strict=True):
        assert torch.allclose(regularized - plain, 40.0 / 14 * alpha.softmax(dim=1), atol=1e-4)
