"""Retraining a derived network: schedules, losses, resuming."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from aca_ray.data import RetrainingData
from aca_ray.errors import ConfigError
from aca_ray.nn.derived import DropPath
from aca_ray.retraining import Protocol, Retraining, find_protocol
from aca_ray.training import EpochLoop
from aca_ray.training.schedule import exponential

Build = Callable[..., Retraining]


def drop_paths(work: Retraining, of: str = "operations") -> set[float]:
    """Return a network's drop probabilities for the outputs of operations, or for the sums of nodes."""
    nodes = {module for name, module in work.network.named_modules() if name.endswith("node_drop")}
    modules = [module for module in work.network.modules() if isinstance(module, DropPath)]
    return {module.probability for module in modules if (module in nodes) == (of == "nodes")}


def test_schedules(build: Build, protocol: Protocol) -> None:
    work = build(replace(protocol, epochs=4, drop_path=0.2, lr=0.04))
    seen = []
    for epoch in range(4):
        work.begin_epoch(epoch)
        seen.append((work.optimizer.param_groups[0]["lr"], drop_paths(work)))
    root = 0.5**0.5
    assert [lr for lr, _ in seen] == pytest.approx([0.04, 0.02 * (1 + root), 0.02, 0.02 * (1 - root)])
    assert [probability for _, probabilities in seen for probability in probabilities] == pytest.approx(
        [0.0, 0.05, 0.1, 0.15]
    )


def test_the_protocol_says_what_is_dropped(build: Build, protocol: Protocol) -> None:
    for of, other in (("operations", "nodes"), ("nodes", "operations")):
        work = build(replace(protocol, epochs=4, drop_path=0.2, dropped=of))
        work.begin_epoch(2)
        assert list(drop_paths(work, of)) == [pytest.approx(0.1)]
        assert drop_paths(work, other) == {0.0}


def weights(work: Retraining) -> list[Tensor]:
    return [parameter.detach().clone() for parameter in work.network.parameters()]


def test_a_step_is_clipped_sgd_on_the_weighted_sum_of_both_losses(build: Build, protocol: Protocol) -> None:
    protocol = replace(protocol, auxiliary_weight=0.4, clip_norm=0.5, drop_path=0.0)
    work, twin = build(protocol, size=32), build(protocol, size=32)
    work.begin_epoch(0)
    work.step(0, 1)
    images, labels = twin.batches.batch(1)
    twin.network.train()
    logits, auxiliary = twin.network.forward_with_auxiliary(images)
    assert auxiliary is not None
    loss = functional.cross_entropy(logits, labels) + 0.4 * functional.cross_entropy(auxiliary, labels)
    parameters = list(twin.network.parameters())
    gradients = torch.autograd.grad(loss, parameters)
    norm = torch.stack([gradient.square().sum() for gradient in gradients]).sum().sqrt()
    assert norm > 0.5
    for parameter, gradient, found in zip(parameters, gradients, weights(work), strict=True):
        expected = parameter.detach() - 0.025 * (gradient * 0.5 / norm + 3e-4 * parameter.detach())
        assert torch.allclose(found, expected, rtol=1e-4, atol=1e-6)
    # The measured loss excludes the auxiliary tower.
    assert work.train_meter.read()[0] == pytest.approx(functional.cross_entropy(logits, labels).item(), rel=1e-5)


def test_a_step_with_smoothed_labels_nesterov_and_no_clipping(build: Build, protocol: Protocol) -> None:
    protocol = replace(
        protocol, label_smoothing=0.1, nesterov=True, clip_norm=math.inf, drop_path=0.0, auxiliary_weight=0.4
    )
    work, twin = build(protocol, size=32), build(protocol, size=32)
    work.begin_epoch(0)
    work.step(0, 1)
    images, labels = twin.batches.batch(1)
    twin.network.train()
    wanted = 0.9 * functional.one_hot(labels, 2) + 0.1 / 2
    logits, auxiliary = twin.network.forward_with_auxiliary(images)
    assert auxiliary is not None
    loss, auxiliary_loss = (-(wanted * out.log_softmax(dim=1)).sum(dim=1).mean() for out in (logits, auxiliary))
    parameters = list(twin.network.parameters())
    gradients = torch.autograd.grad(loss + 0.4 * auxiliary_loss, parameters)
    for parameter, gradient, found in zip(parameters, gradients, weights(work), strict=True):
        decayed = gradient + 3e-4 * parameter.detach()
        # In the first step the momentum buffer is the gradient, and Nesterov's step adds 0.9 of it.
        assert torch.allclose(found, parameter.detach() - 0.025 * 1.9 * decayed, rtol=1e-4, atol=1e-6)
    assert work.train_meter.read()[0] == pytest.approx(loss.item(), rel=1e-5)


def test_the_schedule_is_the_protocols(build: Build, protocol: Protocol) -> None:
    work = build(replace(protocol, lr=0.1, schedule=exponential))
    for epoch in range(3):
        work.begin_epoch(epoch)
        assert work.optimizer.param_groups[0]["lr"] == pytest.approx(0.1 * 0.97**epoch)


def test_a_small_network_at_imagenet_scale_trains(build: Build, protocol: Protocol) -> None:
    mobile = replace(find_protocol("imagenet_mobile"), channels=4, num_cells=3, epochs=1, batch_size=8)
    report = EpochLoop(build(mobile, None, size=224), 1).advance()
    assert report is not None
    assert report.metrics["lr/weights"] == 0.1


def test_the_auxiliary_tower_is_built_if_it_has_a_weight(build: Build, protocol: Protocol) -> None:
    assert build(protocol).network.auxiliary is None
    with pytest.raises(ConfigError, match=r"^protocol tiny: .*32x32 .*found 8x8"):
        build(replace(protocol, auxiliary_weight=0.4))


def test_cutout_sets_pixels_of_training_images_to_the_mean(build: Build, protocol: Protocol) -> None:
    plain, cut = build(protocol), build(replace(protocol, cutout=True))
    one, other = plain.batches.batch(0)[0], cut.batches.batch(0)[0]
    changed = one != other
    assert changed.any()
    assert not other[changed].any()  # zero is the mean


def test_an_epoch_is_measured_on_the_test_images(
    build: Build, protocol: Protocol, make_data: Callable[[int], RetrainingData]
) -> None:
    work = build(replace(protocol, batch_size=4))  # 6 test images: a batch of 4 and one of 2
    report = EpochLoop(work, 2).advance()
    assert report is not None
    data = make_data(8)
    images = (data.test.images.float() / 255 - 0.4) / 0.3
    work.network.eval()
    with torch.no_grad():
        logits = work.network(images)
    assert report.metrics["test/loss"] == pytest.approx(
        functional.cross_entropy(logits, data.test.labels).item(), rel=1e-4
    )
    hits = (logits.argmax(dim=1) == data.test.labels).float().mean()
    assert report.metrics["test/accuracy"] == pytest.approx(hits.item())
    assert set(report.metrics) == {
        "train/loss",
        "train/accuracy",
        "test/loss",
        "test/accuracy",
        "lr/weights",
        "time/epoch_seconds",
        "time/images_per_second",
        "memory/peak_bytes",
    }


def run(loop: EpochLoop) -> list[dict[str, float]]:
    rows = []
    while not loop.finished:
        report = loop.advance()
        assert report is not None
        rows.append({k: v for k, v in report.metrics.items() if not k.startswith(("time/", "memory/"))})
    return rows


@pytest.mark.parametrize(
    "changes",
    [{}, {"cutout": True}, {"precision": "bfloat16"}],
    ids=str,
)
def test_resuming_from_a_checkpoint_equals_an_uninterrupted_run(
    build: Build, protocol: Protocol, through_a_file: Callable[[Any], Any], changes: dict[str, Any]
) -> None:
    protocol = replace(protocol, **changes)
    straight = build(protocol)
    rows = run(EpochLoop(straight, 2))
    stopped = EpochLoop(build(protocol), 2)
    states = []
    for position in ((0, 1), (1, 0), (1, 1)):
        stopped.advance(0.0)
        assert (stopped.epoch, stopped.step) == position
        states.append(through_a_file(stopped.state_dict()))
    for state in states:
        work = build(protocol)
        loop = EpochLoop(work, 2)
        loop.load_state_dict(state)
        assert run(loop) == rows[state["epoch"] :]
        final, expected = work.network.state_dict(), straight.network.state_dict()
        assert list(final) == list(expected)
        assert all(torch.equal(final[name], expected[name]) for name in final)


@pytest.mark.parametrize("planned", [False, True])
def test_retraining_learns(build: Build, protocol: Protocol, planned: bool) -> None:
    protocol = replace(protocol, epochs=8, drop_path=0.0, lr=0.1)
    rows = run(EpochLoop(build(protocol) if planned else build(protocol, None), 8))
    assert rows[-1]["train/loss"] < 0.5 * rows[0]["train/loss"]
    assert rows[-1]["train/accuracy"] >= 0.9


def test_the_seed_determines_the_initial_weights(build: Build) -> None:
    assert all(torch.equal(one, other) for one, other in zip(weights(build()), weights(build()), strict=True))
    assert not torch.equal(weights(build())[0], weights(build(seed=4))[0])
