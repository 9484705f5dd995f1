"""Architecture gradients against full backward passes, closed forms and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from aca_ray.methods.loss import batch_loss
from aca_ray.methods.parts import arch_gradient
from aca_ray.methods.parts.arch_gradient import first_order, unrolled
from aca_ray.methods.parts.relaxation import masked_softmax
from aca_ray.methods.views import ArchStep, Batch
from aca_ray.nn import CellMixing, Mixing, Supernet, candidate_mask
from aca_ray.space import Space, Topology

LR, MOMENTUM, DECAY = 0.5, 0.9, 0.01
NAMES = (("avg_pool_3x3", "sep_conv_3x3"), ("sep_conv_3x3", "avg_pool_3x3"))
SPACE = Space("tiny", Topology(num_inputs=2, num_nodes=1), normal=NAMES, reduce=NAMES)


def no_penalty(mixing: Mixing) -> Tensor:
    return torch.zeros((), dtype=torch.float64)


def batch(seed: int) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(6, 1, 8, 8, generator=generator, dtype=torch.float64)
    return images, torch.arange(6) % 3


def relax(parameters: dict[str, Tensor]) -> Mixing:
    def cell(cell_type: str) -> CellMixing:
        return CellMixing(masked_softmax(parameters[f"alpha_{cell_type}"], candidate_mask(SPACE, "normal")))

    return Mixing(cell("normal"), cell("reduce"))


@pytest.fixture
def step() -> ArchStep:
    """A small search in float64 before its first weight step."""
    network = Supernet(SPACE, channels=2, num_cells=3, num_classes=3, in_channels=1).double()
    with torch.no_grad():
        for weight in network.parameters():
            if weight.dim() == 4:
                weight.mul_(10.0)  # no effect behind batch norm, but steps are relatively smaller
    parameters = {
        f"alpha_{cell_type}": nn.Parameter(torch.randn(2, 2, dtype=torch.float64)) for cell_type in ("normal", "reduce")
    }
    return ArchStep(
        network=network,
        parameters=parameters,
        mixing=lambda: relax(parameters),
        penalty=no_penalty,
        train=batch(1),
        valid=batch(2),
        optimizer=torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, weight_decay=DECAY),
    )


def take_a_weight_step(step: ArchStep) -> None:
    step.optimizer.zero_grad()
    images, labels = batch(3)
    batch_loss(step.network(images, step.mixing().detach()), labels).backward()
    step.optimizer.step()


def loss_ahead(step: ArchStep, parameters: dict[str, Tensor], *, through_weights: bool = True) -> Tensor:
    """F(a) = L_va(w - lr*(mu*m + grad_w L_tr(w, a) + wd*w), a), from its definition."""
    weights = {name: weight.detach().clone().requires_grad_() for name, weight in step.network.named_parameters()}
    images, labels = step.train
    buffers = {name: value.clone() for name, value in step.network.named_buffers()}
    inner = parameters if through_weights else {name: value.detach() for name, value in step.parameters.items()}
    loss = batch_loss(functional_call(step.network, (weights, buffers), (images, relax(inner))), labels)
    gradients = torch.autograd.grad(loss, list(weights.values()))
    ahead = {}
    for (name, weight), gradient, owner in zip(weights.items(), gradients, step.network.parameters(), strict=True):
        memory = step.optimizer.state[owner].get("momentum_buffer", torch.zeros_like(weight))
        ahead[name] = weight.detach() - LR * (MOMENTUM * memory + gradient + DECAY * weight.detach())
    images, labels = step.valid
    return batch_loss(functional_call(step.network, (ahead, buffers), (images, relax(parameters))), labels)


def by_differences(step: ArchStep, *, through_weights: bool = True, width: float = 1e-5) -> Tensor:
    """Gradient of F by central differences, entry by entry."""
    entries = []
    for name, parameter in step.parameters.items():
        for index in range(parameter.numel()):
            sides = []
            for sign in (1, -1):
                moved = {key: value.detach().clone() for key, value in step.parameters.items()}
                moved[name].view(-1)[index] += sign * width
                sides.append(float(loss_ahead(step, moved, through_weights=through_weights).detach()))
            entries.append((sides[0] - sides[1]) / (2 * width))
    return torch.tensor(entries, dtype=torch.float64)


def flat(gradients: tuple[Tensor, ...]) -> Tensor:
    return torch.cat([gradient.flatten() for gradient in gradients])


def assert_is_the_gradient_of_the_loss_ahead(step: ArchStep, tolerance: float) -> None:
    expected = by_differences(step)
    found = flat(unrolled(step))
    assert float((found - expected).norm() / expected.norm()) < tolerance
    # The part through the weights must be much larger than the tolerance: without it, or with / 2 * eps in place of
    # / (2 * eps), only the direct part remains.
    direct = by_differences(step, through_weights=False)
    assert float((expected - direct).norm() / expected.norm()) > 100 * tolerance


@pytest.mark.parametrize("with_momentum", [False, True])
def test_unrolled_on_a_supernet(step: ArchStep, with_momentum: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # With the paper's scale of 0.01, a ReLU of this small network crosses its kink; with 0.0001, none does.
    monkeypatch.setattr(arch_gradient, "FINITE_DIFFERENCE_SCALE", 1e-4)
    if with_momentum:
        take_a_weight_step(step)
        assert all("momentum_buffer" in state for state in step.optimizer.state.values())
    assert_is_the_gradient_of_the_loss_ahead(step, 1e-6)


class Smooth(nn.Module):
    """Two candidates, each a convolution, batch norm and tanh, without kinks."""

    def __init__(self) -> None:
        super().__init__()
        self.candidates = nn.ModuleList(
            nn.Sequential(nn.Conv2d(1, 3, size, padding=size // 2), nn.BatchNorm2d(3), nn.Tanh()) for size in (1, 3)
        )
        self.classifier = nn.Linear(3, 3)

    def forward(self, images: Tensor, mixing: Mixing) -> Tensor:
        for_candidates = mixing.normal.operations[0] * mixing.reduce.operations[1]
        mixed = sum(scale * branch(images) for scale, branch in zip(for_candidates, self.candidates, strict=True))
        return self.classifier(20.0 * mixed.square().mean(dim=(2, 3)))


@pytest.mark.parametrize("with_momentum", [False, True])
def test_unrolled_on_a_smooth_network_with_the_step_of_the_paper(step: ArchStep, with_momentum: bool) -> None:
    network = Smooth().double()
    optimizer = torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, weight_decay=DECAY)
    smooth = replace(step, network=network, optimizer=optimizer)
    if with_momentum:
        take_a_weight_step(smooth)
    assert_is_the_gradient_of_the_loss_ahead(smooth, 1e-3)


def test_momentum_changes_the_unrolled_gradient(step: ArchStep) -> None:
    take_a_weight_step(step)
    with_momentum = flat(unrolled(step))
    for state in step.optimizer.state.values():
        state["momentum_buffer"].zero_()
    assert not torch.allclose(flat(unrolled(step)), with_momentum, rtol=1e-2)


@pytest.mark.parametrize("gradient", [first_order, unrolled])
def test_gradients_leave_weights_optimizer_and_grads_alone(
    step: ArchStep, gradient: Callable[[ArchStep], tuple[Tensor, ...]]
) -> None:
    take_a_weight_step(step)
    weights = list(step.network.parameters())
    watched = [*weights, *(w.grad for w in weights), *(step.optimizer.state[w]["momentum_buffer"] for w in weights)]
    before = [tensor.detach().clone() for tensor in watched if tensor is not None]
    gradient(step)
    after = [*weights, *(w.grad for w in weights), *(step.optimizer.state[w]["momentum_buffer"] for w in weights)]
    assert len(before) == 3 * len(weights)
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in step.parameters.values())
    step.optimizer.zero_grad()
    gradient(step)
    assert all(weight.grad is None for weight in weights)


@pytest.mark.parametrize(("gradient", "num_passes"), [(first_order, 1), (unrolled, 3)])
def test_passes_that_update_the_live_batch_norms(
    step: ArchStep, gradient: Callable[[ArchStep], tuple[Tensor, ...]], num_passes: int
) -> None:
    gradient(step)
    counters = [int(value) for name, value in step.network.named_buffers() if name.endswith("num_batches_tracked")]
    assert set(counters) == {num_passes}


def test_first_order_is_the_gradient_of_a_full_backward(step: ArchStep) -> None:
    found = first_order(step)
    images, labels = step.valid
    batch_loss(step.network(images, relax(step.parameters)), labels).backward()
    for gradient, parameter in zip(found, step.parameters.values(), strict=True):
        assert parameter.grad is not None
        assert torch.allclose(gradient, parameter.grad, rtol=1e-12, atol=1e-15)


def test_first_order_against_finite_differences(step: ArchStep) -> None:
    images, labels = step.valid

    def loss(parameters: dict[str, Tensor]) -> float:
        return float(batch_loss(step.network(images, relax(parameters)), labels).detach())

    found = first_order(step)
    for (name, parameter), gradient in zip(step.parameters.items(), found, strict=True):
        direction = torch.randn_like(parameter)
        moved = [{**step.parameters, name: parameter.detach() + sign * 1e-5 * direction} for sign in (1, -1)]
        slope = (loss(moved[0]) - loss(moved[1])) / 2e-5
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("gradient", [first_order, unrolled])
def test_the_penalty_is_added_once(step: ArchStep, gradient: Callable[[ArchStep], tuple[Tensor, ...]]) -> None:
    plain = gradient(step)
    penalized = gradient(
        replace(
            step, penalty=lambda mixing: sum(0.5 * parameter.square().sum() for parameter in step.parameters.values())
        )
    )
    for one, other, parameter in zip(plain, penalized, step.parameters.values(), strict=True):
        assert torch.allclose(other - one, parameter, atol=1e-10)


class Quadratic(nn.Module):
    """A network whose cross-entropy for label 0 is exactly q = a1 (w.x)^2 / 2 + a2 w.x + 10 for an image x.

    The logits (-q, log(1 - exp(-q))) are log-probabilities already.
    """

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, images: Tensor, mixing: Mixing) -> Tensor:
        curved, straight = mixing.normal.operations
        product = images.flatten(1) @ self.weights
        q = curved * product.square() / 2 + straight * product + 10.0
        return torch.stack((-q, torch.log1p(-torch.exp(-q))), dim=1)


@pytest.mark.parametrize("with_momentum", [False, True])
def test_unrolled_on_a_quadratic_is_exact(with_momentum: bool) -> None:
    double = {"dtype": torch.float64}
    images = {split: torch.randn(7, 1, 1, 4, **double) for split in ("train", "valid")}
    labels = torch.zeros(7, dtype=torch.int64)
    network = Quadratic(torch.randn(4, **double))
    a = nn.Parameter(torch.tensor([0.7, -0.4], **double))
    optimizer = torch.optim.SGD(network.parameters(), LR, momentum=MOMENTUM, weight_decay=DECAY)
    memory = torch.zeros(4, **double)
    if with_momentum:
        memory = torch.randn(4, **double)
        optimizer.state[network.weights]["momentum_buffer"] = memory.clone()
    found = unrolled(
        ArchStep(
            network=network,
            parameters={"a": a},
            mixing=lambda: Mixing(CellMixing(a), CellMixing(a)),
            penalty=no_penalty,
            train=(images["train"], labels),
            valid=(images["valid"], labels),
            optimizer=optimizer,
        )
    )
    # L(w, a) = a1 w'Aw/2 + a2 b'w + 10 with A the mean of x x' and b that of x, over the split's images.
    x = {split: value.flatten(1) for split, value in images.items()}
    A, b = x["train"].T @ x["train"] / 7, x["train"].mean(dim=0)
    B, c = x["valid"].T @ x["valid"] / 7, x["valid"].mean(dim=0)
    w, (a1, a2) = network.weights.detach(), a.detach()
    ahead = w - LR * (MOMENTUM * memory + a1 * A @ w + a2 * b + DECAY * w)
    v = a1 * B @ ahead + a2 * c
    expected = torch.stack((ahead @ B @ ahead / 2 - LR * (A @ w) @ v, c @ ahead - LR * b @ v))
    assert torch.allclose(found[0], expected, rtol=1e-6, atol=1e-9)


class Cubic(Quadratic):
    """The same with q = a1 (w.x)^3 + 10."""

    def forward(self, images: Tensor, mixing: Mixing) -> Tensor:
        q = mixing.normal.operations[0] * (images.flatten(1) @ self.weights) ** 3 + 10.0
        return torch.stack((-q, torch.log1p(-torch.exp(-q))), dim=1)


def test_unrolled_steps_by_a_hundredth_over_the_norm() -> None:
    images, labels = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, dtype=torch.int64)
    a = nn.Parameter(torch.tensor([0.3, 0.0], dtype=torch.float64))
    network = Cubic(torch.tensor([0.8], dtype=torch.float64))
    found = unrolled(
        ArchStep(
            network=network,
            parameters={"a": a},
            mixing=lambda: Mixing(CellMixing(a), CellMixing(a)),
            penalty=no_penalty,
            train=(images, labels),
            valid=(images, labels),
            optimizer=torch.optim.SGD(network.parameters(), LR),
        )
    )
    # L = a1 w^3 + 10. The central difference of w^3 along v is 3 w^2 v + eps^2 v^3, eps = 0.01 / |v|.
    ahead = 0.8 - LR * 3 * 0.3 * 0.8**2
    v = 3 * 0.3 * ahead**2
    eps = 0.01 / abs(v)
    expected = ahead**3 - LR * (3 * 0.8**2 * v + eps**2 * v**3)
    assert float(found[0][0]) == pytest.approx(expected, rel=1e-9)
    assert LR * eps**2 * v**3 > 1e-6 * expected  # so another eps would fail the test
