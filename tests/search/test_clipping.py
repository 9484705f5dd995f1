"""Which gradients count in the bound on the gradient's norm."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.methods.core import attached_mixing, drawn_mixing
from aca_ray.methods.registry import find_method, methods
from aca_ray.search.search import Search
from aca_ray.space import SPACES

BOUND, LR = 0.01, 100.0


def norm(tensors: Iterable[Tensor]) -> float:
    return float(torch.stack([tensor.detach().double().square().sum() for tensor in tensors]).sum().sqrt())


@pytest.mark.parametrize(
    ("name", "space", "counts"),
    [("beta_darts", "nasbench201", True), ("drnas", "nasbench201", True), ("beta_darts", "s1", False)],
)
def test_the_architectures_gradient_counts_on_nasbench201_alone(
    build_search: Callable[..., Search], name: str, space: str, counts: bool
) -> None:
    """SGD's first step, by hand: w - lr g bound / norm, the norm over the weights and there over the alphas too."""
    method = find_method(name).on(SPACES[space])
    recipe = replace(method.recipe, clip_norm=BOUND, weight_lr=LR, arch_start=1.0, weight_decay=0.0)
    search = build_search(replace(method, recipe=recipe), SPACES[space], num_cells=3)
    for alpha in search.parameters.values():
        alpha.data.copy_(torch.randn_like(alpha))
    network = search.network.train()
    with torch.no_grad():  # batch norms make the loss blind to the scale of convolutions, and their gradients small
        for weight in network.parameters():
            weight.mul_(1000.0 if weight.ndim == 4 else 1.0)
    state, before = copy.deepcopy(network.state_dict()), [w.detach().clone() for w in network.parameters()]
    images, labels = search.batches["search_train"].batch(0)
    torch.manual_seed(7)
    mixing = method.mixing(search.space, search.parameters, search.moment)
    loss = functional.cross_entropy(network(images, mixing), labels)
    gradients = torch.autograd.grad(loss, [*network.parameters(), *search.parameters.values()])
    of_weights = norm(gradients[: len(before)])
    counted = norm(gradients) if counts else of_weights
    assert of_weights > BOUND
    assert norm(gradients) > 1.0005 * of_weights

    network.load_state_dict(state)
    torch.manual_seed(7)
    search.step(0, 0)
    moved = norm(new - old for old, new in zip(before, network.parameters(), strict=True))
    assert moved == pytest.approx(LR * BOUND * of_weights / counted, rel=1e-4)


@pytest.mark.parametrize("name", sorted(set(methods()) - {"beta_darts", "drnas"}))
def test_no_other_method_counts_it(name: str) -> None:
    for space in SPACES.values():
        method = find_method(name).on(space)
        assert method.weight_mixing is not attached_mixing
    assert find_method("drnas").on(SPACES["darts"]).weight_mixing is drawn_mixing
