"""Gradients that gradient clipping includes in the norm."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

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
def test_clipping_includes_the_architecture_gradient_only_on_nasbench201(
    build_search: Callable[..., Search], name: str, space: str, counts: bool
) -> None:
    """SGD's first step by hand: w - lr g bound / norm; on nasbench201, the norm includes the alphas."""
    method = find_method(name).on(SPACES[space])
    recipe = replace(method.recipe, clip_norm=BOUND, weight_lr=LR, arch_start=1.0, weight_decay=0.0)
    search = build_search(replace(method, recipe=recipe), SPACES[space], num_cells=3)
    for alpha in search.parameters.values():
        alpha.data.copy_(torch.randn_like(alpha))
    network = search.network.train()
    with torch.no_grad():  # behind batch norm, the loss ignores the scale of convolutions: large ones, small gradients
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


@pytest.mark.parametrize("name", ["gdas", "pr_darts"])
def test_clipping_includes_the_last_architecture_step_if_weights_are_updated_first(
    build_search: Callable[..., Search], name: str, through_a_file: Callable[[Any], Any]
) -> None:
    """The alphas' gradient is that of the last architecture step plus that of the training loss."""
    method = find_method(name)
    method = replace(method, recipe=replace(method.recipe, clip_norm=math.inf, arch_start=0.0))
    search = build_search(method, SPACES["s1"], num_epochs=4, num_cells=3)
    search.step(0, 0)
    left = {name: alpha.grad.clone() for name, alpha in search.parameters.items()}
    assert all(bool(gradient.any()) for gradient in left.values())
    resumed = build_search(method, SPACES["s1"], num_epochs=4, num_cells=3)
    resumed.load_state_dict(through_a_file(search.state_dict()))

    seen: list[dict[str, Tensor]] = []
    clip = torch.nn.utils.clip_grad_norm_
    for work in (search, resumed):
        torch.manual_seed(7)
        state = copy.deepcopy(work.network.state_dict())
        images, labels = work.batches["search_train"].batch(1)
        mixing = work.method.mixing(work.space, work.parameters, work.moment)
        loss = functional.cross_entropy(work.network(images, mixing), labels)
        own = torch.autograd.grad(loss, list(work.parameters.values()), allow_unused=True)
        work.network.load_state_dict(state)

        def note(tensors: list[Tensor], bound: float, work: Search = work) -> Tensor:
            if len(tensors) > len(work.parameters):
                alphas = tensors[-len(work.parameters) :]
                seen.append({name: alpha.grad.clone() for name, alpha in zip(work.parameters, alphas, strict=True)})
            return clip(tensors, bound)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.nn.utils, "clip_grad_norm_", note)
            torch.manual_seed(7)
            work.step(0, 1)
        for (name, found), gradient in zip(seen[-1].items(), own, strict=True):
            expected = left[name] if gradient is None else left[name] + gradient
            assert torch.allclose(found, expected, rtol=1e-4, atol=1e-8)
    assert all(torch.equal(seen[0][name], seen[1][name]) for name in left)


@pytest.mark.parametrize("name", sorted(set(methods()) - {"beta_darts", "drnas", "gdas", "pr_darts"}))
def test_no_other_method_includes_it(name: str) -> None:
    for space in SPACES.values():
        assert find_method(name).on(space).weight_mixing is not attached_mixing
    assert find_method("drnas").on(SPACES["darts"]).weight_mixing is drawn_mixing
