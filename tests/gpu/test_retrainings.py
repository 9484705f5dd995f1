"""Retrainings on a GPU: precisions, compilation, and resuming."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from drawn_plans import drawn_plan

from aca_ray.data import DataInfo, ImageSet, RetrainingData
from aca_ray.retraining import Protocol, Retraining
from aca_ray.space import PUBLISHED, ChannelPlan
from aca_ray.training import EpochLoop, select_device

pytestmark = pytest.mark.gpu

CPU, GPU = torch.device("cpu"), torch.device("cuda")
GENOTYPE = PUBLISHED["DARTS_V2"]
PROTOCOL: dict[str, Any] = {"channels": 8, "num_cells": 3, "epochs": 2, "batch_size": 16, "drop_path": 0.2}


def data() -> RetrainingData:
    generator = torch.Generator().manual_seed(0)

    def images(num_images: int) -> ImageSet:
        pixels = torch.randint(0, 256, (num_images, 3, 32, 32), generator=generator, dtype=torch.uint8)
        return ImageSet(pixels, torch.arange(num_images) % 10)

    info = DataInfo(
        name="noise",
        num_classes=10,
        class_names=tuple("0123456789"),
        channels=3,
        height=32,
        width=32,
        mean=(0.5,) * 3,
        std=(0.3,) * 3,
        flip=True,
        digest="0" * 64,
        source="made",
    )
    return RetrainingData(info, images(64), images(32))


def build(device: torch.device = GPU, plan: ChannelPlan | None = None, **changes: Any) -> Retraining:
    protocol = Protocol(name="tiny", source="test", **{**PROTOCOL, **changes})
    return Retraining(GENOTYPE, plan, data(), protocol, seed=3, device=device)


def weights(work: Retraining) -> list[torch.Tensor]:
    return [parameter.detach().cpu() for parameter in work.network.parameters()]


@pytest.mark.parametrize("allocated", [False, True])
def test_a_step_is_that_of_a_cpu(allocated: bool) -> None:
    plan = drawn_plan(GENOTYPE, 0.5) if allocated else None
    select_device(1)  # exact float32
    found = []
    for device in (CPU, GPU):
        work = build(device, plan, drop_path=0.0)
        work.begin_epoch(0)
        work.step(0, 0)
        found.append(weights(work))
    for on_cpu, on_gpu in zip(*found, strict=True):
        assert torch.allclose(on_cpu, on_gpu, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("precision", ["tf32", "bfloat16"])
def test_a_lower_precision_rounds_and_nothing_else(precision: str) -> None:
    select_device(1)
    images, _ = build().batches.batch(0)
    logits = {}
    for name in ("float32", precision):
        work = build(precision=name, drop_path=0.0)
        with torch.no_grad(), work.passes.tf32():
            logits[name] = work.passes.train(images)[0]
        assert {value.dtype for value in work.network.state_dict().values()} <= {torch.float32, torch.int64}
    assert not torch.equal(*logits.values())
    assert torch.allclose(*logits.values(), atol=0.1 * float(logits["float32"].abs().max()))


@pytest.mark.parametrize("changes", [{}, {"precision": "tf32"}, {"precision": "bfloat16"}, {"compile": True}], ids=str)
def test_a_resumed_retraining_trains_on(changes: dict[str, Any]) -> None:
    """Sums on a GPU have no fixed order, so that the weights agree to rounding only."""
    select_device(1)
    straight = EpochLoop(build(**changes), 2)
    while not straight.finished:
        straight.advance()
    stopped = EpochLoop(build(**changes), 2)
    while (stopped.epoch, stopped.step) != (1, 1):
        stopped.advance(0.0)
    state = stopped.state_dict()
    resumed = EpochLoop(build(**changes), 2)
    resumed.load_state_dict(state)
    while not resumed.finished:
        resumed.advance()
    largest = max(
        float((one - other).abs().max())
        for one, other in zip(weights(straight.work), weights(resumed.work), strict=True)  # type: ignore[arg-type]
    )
    assert largest < 0.02, f"{largest}"
