"""Passes on a GPU use no tensor that was left on the CPU.

torch's fake tensors have a device but no values, and refuse operands on two devices, so no GPU is needed. Backward
passes need one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from compact_spaces import compact
from drawn_plans import drawn_plan
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from aca_ray.methods.core import SearchMethod
from aca_ray.methods.moment import Moment
from aca_ray.methods.registry import methods
from aca_ray.nn import DerivedNetwork, Supernet
from aca_ray.nn.fused import fuse, lay_out
from aca_ray.space import PUBLISHED, SPACES

GPU = torch.device("cuda")
READING = {"gdas", "pr_darts", "drnas"}  # the host reads which candidates are drawn, and fake tensors have no values

IN_EVERY_TIER = {"darts", "pc_darts"}


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)  # fake tensors have no memory
    with FakeTensorMode() as mode:
        yield mode


def on_gpu(network: nn.Module) -> nn.Module:
    """Return the network with fake tensors on a GPU; `Module.to` cannot convert to them."""

    def moved(tensor: Tensor) -> Tensor:
        return torch.empty(tensor.shape, dtype=tensor.dtype, device=GPU)

    for module in network.modules():
        for name, parameter in module._parameters.items():
            module._parameters[name] = None if parameter is None else nn.Parameter(moved(parameter))
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else moved(buffer)
    return network


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


@pytest.mark.parametrize("allocated", [False, True])
def test_derived_networks(allocated: bool, fake: FakeTensorMode) -> None:
    genotype = PUBLISHED["DARTS_V2"]
    plan = drawn_plan(genotype, 0.5, channels=4) if allocated else None
    network = DerivedNetwork(genotype, plan, channels=8, num_cells=3, num_classes=10, auxiliary=True)
    network.set_drop_path(0.2)
    network = lay_out(on_gpu(network))
    for logits in network.forward_with_auxiliary(torch.empty(4, 3, 32, 32, device=GPU)):
        assert logits is not None
        assert logits.device.type == GPU.type


def test_a_tensor_on_the_cpu_is_refused(fake: FakeTensorMode) -> None:
    with pytest.raises(RuntimeError, match="cpu"):
        torch.empty(2, device=GPU) + torch.empty(2)
