"""Learning rates against PyTorch's schedulers and values computed by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

from aca_ray.training import cosine, set_learning_rate
from aca_ray.training.schedule import Schedule, cosine_to_zero, exponential, warmed_up_cosine, warmed_up_linear


def test_values() -> None:
    assert cosine(0.025, 0.001, 0, 50) == pytest.approx(0.025, abs=1e-15)
    assert cosine(0.025, 0.001, 25, 50) == pytest.approx(0.013, abs=1e-15)  # halfway
    assert cosine(0.1, 0.0, 2, 6) == pytest.approx(0.075, abs=1e-15)  # cos 60 degrees is 1/2
    assert cosine(0.025, 0.001, 49, 50) == pytest.approx(0.0010237, abs=1e-7)  # still a little above its end


@pytest.mark.parametrize(("start", "end", "num_epochs"), [(0.025, 0.001, 50), (0.1, 0.0, 7), (0.05, 0.01, 1)])
def test_agrees_with_pytorch(start: float, end: float, num_epochs: int) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=start)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, num_epochs, eta_min=end)
    for epoch in range(num_epochs):
        assert cosine(start, end, epoch, num_epochs) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (cosine_to_zero, lambda optimizer: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 9)),
        (exponential, lambda optimizer: torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.97)),
    ],
)
def test_schedules_agree_with_pytorch(schedule: Schedule, make: Callable[..., LRScheduler]) -> None:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)
    scheduler = make(optimizer)
    for epoch in range(9):
        assert schedule(0.1, epoch, 9) == pytest.approx(scheduler.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        scheduler.step()


def test_the_line_of_pc_darts() -> None:
    rates = [warmed_up_linear(0.5, epoch, 250) for epoch in range(250)]
    slope = 0.5 / 245
    assert rates[5] == pytest.approx(0.5 - 5 * slope)
    assert [before - after for before, after in pairwise(rates[5:245])] == pytest.approx([slope] * 239)
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])  # of the base rate, not of the line
    # The last five epochs have a fifth of the slope, start without a jump, and would end at 0.
    assert rates[244] == pytest.approx(slope)
    assert rates[245:] == pytest.approx([slope, 0.8 * slope, 0.6 * slope, 0.4 * slope, 0.2 * slope])


def test_the_cosine_of_gdas() -> None:
    rates = [warmed_up_cosine(0.025, epoch, 300) for epoch in range(300)]
    assert rates[:5] == pytest.approx([0.0025, 0.0075, 0.0125, 0.0175, 0.0225])
    assert rates[5] == pytest.approx(0.025)
    assert rates[5 + 118] == pytest.approx(0.0125 * (1 + math.cos(0.4 * math.pi)))
    assert rates[294] > 0.0
    assert rates[295:] == [0.0] * 5


def test_the_rate_of_every_group_is_set() -> None:
    groups = [
        {"params": [torch.nn.Parameter(torch.zeros(1))]},
        {"params": [torch.nn.Parameter(torch.zeros(1))], "lr": 3.0},
    ]
    optimizer = torch.optim.SGD(groups, lr=1.0)
    set_learning_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.5]
