"""Passes on a GPU use no tensor that was left on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from compact_spaces import compact
from drawn_plans import drawn_plan
from fake_gpu import GPU, WITH_BACKWARD, fake, on_gpu
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.registry import methods
from aca_ray.nn import DerivedNetwork, Supernet
from aca_ray.nn.fused import fuse, lay_out
from aca_ray.space import PUBLISHED, SPACES

__all__ = ["fake"]

READING = {"gdas", "pr_darts", "drnas"}  # the host reads which candidates are drawn, and fake tensors have no values

IN_EVERY_TIER = {"darts", "pc_darts"}


def cases() -> Iterator[Any]:
    for method in methods().values():
        marks = [] if method.name in IN_EVERY_TIER else [pytest.mark.slow]
        if method.name not in READING:
            yield pytest.param(method, id=method.name, marks=marks)


@pytest.mark.parametrize("method", list(cases()))
def test_supernets(method: SearchMethod, fake: FakeTensorMode) -> None:
    space = compact(SPACES["s2"] if len(method.spaces) == len(SPACES) else SPACES[min(method.spaces)])
    method = method.on(space)
    network = Supernet(
        space,
        channels=method.channel_divisor * 4,
        num_cells=3,
        num_classes=10,
        build_edge=method.edge_builder(space, 0),
        build_head=method.build_head,
    )
    network = fuse(on_gpu(network))
    initial = method.initial_parameters(space, torch.Generator())
    parameters = {name: nn.Parameter(torch.empty(value.shape, device=GPU)) for name, value in initial.items()}
    mixing = method.mixing(space, parameters, Moment(epoch=10, num_epochs=50))
    assert network(torch.empty(4, 3, 16, 16, device=GPU), mixing).device.type == GPU.type


@pytest.mark.parametrize("device", [GPU, WITH_BACKWARD], ids=str)
@pytest.mark.parametrize("allocated", [False, True])
def test_derived_networks(allocated: bool, device: torch.device, fake: FakeTensorMode) -> None:
    genotype = PUBLISHED["DARTS_V2"]
    plan = drawn_plan(genotype, 0.5, channels=4) if allocated else None
    network = DerivedNetwork(genotype, plan, channels=8, num_cells=3, num_classes=10, auxiliary=True)
    network.set_drop_path(0.2)
    network = lay_out(on_gpu(network, device))
    both = network.forward_with_auxiliary(torch.empty(4, 3, 32, 32, device=device))
    assert all(logits is not None and logits.device.type == device.type for logits in both)
    if device == WITH_BACKWARD:
        sum(logits.sum() for logits in both).backward()
        assert all(parameter.grad.device.type == device.type for parameter in network.parameters())


def test_a_tensor_on_the_cpu_is_refused(fake: FakeTensorMode) -> None:
    with pytest.raises(RuntimeError, match="cpu"):
        torch.empty(2, device=GPU) + torch.empty(2)
