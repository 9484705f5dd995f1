"""The search loop: the arguments of a method's parts, and the use of their answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.data import SearchData
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.parts.arch_gradient import first_order
from aca_ray.methods.registry import find_method
from aca_ray.methods.views import ArchState, ArchStep, WeightStep
from aca_ray.nn import CellMixing, Mixing
from aca_ray.search.search import Search
from aca_ray.space import SPACES, Space, Topology
from aca_ray.training import EpochLoop

BuildSearch = Callable[..., Search]
NAMES = ("none", "max_pool_3x3", "skip_connect", "sep_conv_3x3")
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=(NAMES,) * 2, reduce=(NAMES,) * 2)
DARTS = find_method("darts")


def logsumexp_penalty(state: ArchState) -> Tensor:
    """beta-DARTS: lambda times the mean over rows of logsumexp, with lambda = 40 * progress."""
    total = torch.zeros(())
    for alpha in state.parameters.values():
        total = total + 40.0 * state.moment.progress * alpha.logsumexp(dim=1).mean()
    return total


def test_penalties_are_added_to_the_architecture_loss(build_search: BuildSearch) -> None:
    found: list[tuple[Tensor, ...]] = []

    def difference(step: ArchStep) -> tuple[Tensor, ...]:
        plain = first_order(replace(step, penalty=lambda mixing: torch.zeros(())))
        penalized = first_order(step)
        found.append(tuple(one - other for one, other in zip(penalized, plain, strict=True)))
        return penalized

    toy = replace(DARTS, name="toy", penalties=(logsumexp_penalty, logsumexp_penalty), arch_gradient=difference)
    search = build_search(toy, SPACE, num_epochs=8)
    expected = [alpha.detach().softmax(dim=1) / 2 for alpha in search.parameters.values()]  # two rows each
    search.clock = 2
    search.step(2, 0)
    for gradient, closed_form in zip(found[0], expected, strict=True):
        assert torch.allclose(gradient, 2 * 40.0 * 2 / 8 * closed_form, atol=1e-5)


def test_the_architecture_step_is_adam_on_the_gradient_of_the_method(build_search: BuildSearch) -> None:
    directions = {"alpha_normal": torch.randn(2, 4), "alpha_reduce": torch.randn(2, 4)}
    toy = replace(DARTS, arch_gradient=lambda step: tuple(directions[name] for name in step.parameters))
    search = build_search(toy, SPACE)
    before = {name: alpha.detach().clone() for name, alpha in search.parameters.items()}
    search.clock = 0
    search.step(0, 0)
    for name, alpha in search.parameters.items():
        gradient = directions[name] + 1e-3 * before[name]
        # Adam's first step: both moments are the gradient's once their bias is taken out.
        expected = before[name] - 3e-4 * gradient / (gradient.abs() + 1e-8)
        assert torch.allclose(alpha.detach(), expected, rtol=0, atol=1e-7)


def double(step: WeightStep) -> Mixing:
    return twice(step.mixing().detach())


def twice(mixing: Mixing) -> Mixing:
    return Mixing(*(CellMixing(2.0 * cell.operations) for cell in (mixing.normal, mixing.reduce)))


def test_the_weight_step_is_clipped_sgd_at_the_weight_mixing_of_the_method(build_search: BuildSearch) -> None:
    """Two weight steps by hand, with a method's own mixing weights."""
    recipe = replace(DARTS.recipe, clip_norm=0.5, arch_start=0.9)
    search = build_search(replace(DARTS, weight_mixing=double, recipe=recipe), SPACE, num_epochs=4)
    twin = build_search(replace(DARTS, recipe=recipe), SPACE, num_epochs=4).network
    mixing = twice(search.mixing())
    memory = [torch.zeros_like(weight) for weight in twin.parameters()]
    lr = 0.001 + 0.5 * 0.024 * (1 + 0.5**0.5)  # the cosine of 4 epochs after the first
    search.clock = 1
    twin.train()
    for index in range(2):
        search.step(1, index)
        images, labels = search.batches["search_train"].batch(2 + index)
        logits = twin(images, mixing)
        weights = list(twin.parameters())
        gradients = torch.autograd.grad(functional.cross_entropy(logits, labels), weights)
        norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
        assert norm > 0.5  # clipping acts
        with torch.no_grad():
            for weight, gradient, momentum in zip(weights, gradients, memory, strict=True):
                momentum.mul_(0.9).add_(gradient * 0.5 / norm + 3e-4 * weight)
                weight.sub_(lr * momentum)
    assert search.weight_optimizer.param_groups[0]["lr"] == pytest.approx(lr)
    for weight, expected in zip(search.network.parameters(), twin.parameters(), strict=True):
        assert torch.allclose(weight, expected, rtol=1e-4, atol=1e-6)


def test_a_methods_parts_are_called_in_order_and_with_the_right_split(build_search: BuildSearch) -> None:
    seen: list[ArchStep] = []
    mixings: list[Mixing] = []

    def gradient(step: ArchStep) -> tuple[Tensor, ...]:
        assert len(mixings) == len(seen)  # before the weight step of the same batch
        seen.append(step)
        return tuple(torch.randn_like(parameter) for parameter in step.parameters.values())

    def note(step: WeightStep) -> Mixing:
        mixings.append(step.mixing().detach())
        return mixings[-1]

    search = build_search(replace(DARTS, arch_gradient=gradient, weight_mixing=note), SPACE)
    before = search.mixing()
    search.clock = 1
    search.step(1, 0)
    search.step(1, 1)
    (_, step), (_, mixing) = seen, mixings
    for batch, split in ((step.train, "search_train"), (step.valid, "search_valid")):
        expected = search.batches[split].batch(3)
        assert all(torch.equal(one, other) for one, other in zip(batch, expected, strict=True))
    assert not torch.equal(step.train[0], step.valid[0])
    assert step.network is search.network
    assert step.network.training
    assert step.optimizer is search.weight_optimizer
    # The weight step sees the architecture as just updated, outside the graph.
    assert not torch.equal(mixing.normal.operations, before.normal.operations)
    assert torch.equal(mixing.normal.operations, search.mixing().normal.operations)
    assert not mixing.normal.operations.requires_grad


def test_each_split_is_read_from_its_own_images(build_search: BuildSearch, search_data: SearchData) -> None:
    search = build_search(DARTS, SPACE)
    for split, images in (("search_train", search_data.train), ("search_valid", search_data.valid)):
        for index in range(4):
            rows = search.batches[split].rows(index)
            assert torch.equal(search.batches[split].batch(index)[1], images.labels[rows])


def test_an_epoch_is_measured(build_search: BuildSearch, search_data: SearchData) -> None:
    search = build_search(DARTS, SPACE, num_epochs=3)
    report = EpochLoop(search, 3).advance()
    assert report is not None
    metrics = report.metrics
    assert set(metrics) == {
        "search_train/loss",
        "search_train/accuracy",
        "search_valid/loss",
        "search_valid/accuracy",
        "lr/weights",
        "lr/architecture",
        "arch/entropy",
        "arch/skip_count",
        "arch/parametric_count",
        "time/epoch_seconds",
        "time/images_per_second",
        "memory/peak_bytes",
    }
    assert (metrics["lr/weights"], metrics["lr/architecture"]) == (0.025, 3e-4)
    # Validation, again by hand: no augmentation, evaluation mode, all images at once.
    info = search_data.info
    images = (search_data.valid.images.float() / 255 - info.mean[0]) / info.std[0]
    search.network.eval()
    with torch.no_grad():
        logits = search.network(images, search.mixing())
    loss = functional.cross_entropy(logits, search_data.valid.labels)
    assert metrics["search_valid/loss"] == pytest.approx(float(loss), rel=1e-4)
    hits = (logits.argmax(dim=1) == search_data.valid.labels).float().mean()
    assert metrics["search_valid/accuracy"] == pytest.approx(float(hits))


def test_a_search_learns(build_search: BuildSearch) -> None:
    recipe = replace(DARTS.recipe, weight_lr=0.1, arch_lr=0.01)
    search = build_search(replace(DARTS, recipe=recipe), SPACE, num_epochs=12)
    loop = EpochLoop(search, 12)
    losses = []
    while not loop.finished:
        report = loop.advance()
        assert report is not None
        losses.append(report.metrics["search_train/loss"])
    assert losses[-1] < 0.6 * losses[0]


@pytest.mark.parametrize("method", [DARTS, find_method("pc_darts")], ids=lambda method: method.name)
def test_the_papers_batch_size_is_the_default(method: SearchMethod, search_data: SearchData) -> None:
    search = Search(
        method,
        SPACES["s2"],
        search_data,
        channels=4,
        num_cells=3,
        num_epochs=1,
        seed=0,
        device=torch.device("cpu"),
    )
    assert search.batch_size == method.recipe.batch_size
    assert search.steps_per_epoch == 1  # all 16 images
    assert search.images_per_epoch == 16
