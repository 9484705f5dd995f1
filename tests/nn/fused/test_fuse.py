"""Fused networks have the structure and the state of plain ones, and compute the same."""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from aca_ray.nn import DerivedNetwork, Supernet
from aca_ray.nn.blocks import FactorizedReduce, ReluConvNorm
from aca_ray.nn.fused import fuse
from aca_ray.nn.fused.derived import lay_out_modules
from aca_ray.nn.fused.fuse import FUSED
from aca_ray.space import PUBLISHED, SPACES, ChannelPlan, EdgePlan

HALF = ChannelPlan("taylor", "sign", ((EdgePlan(0.5, (1, 0, 3, 2)),) * 8,) * 5)


def test_fused_classes_are_subclasses_without_a_state_of_their_own() -> None:
    for plain, fused in FUSED.items():
        assert issubclass(fused, plain)
        assert fused.__init__ is plain.__init__


def test_only_classes_change() -> None:
    plain = Supernet(SPACES["darts"], channels=4, num_cells=3, num_classes=3)
    before = dict(plain.named_modules())
    tensors = {name: id(tensor) for name, tensor in plain.state_dict(keep_vars=True).items()}
    fused = fuse(fuse(plain))
    assert fused is plain
    assert {name: id(tensor) for name, tensor in fused.state_dict(keep_vars=True).items()} == tensors
    assert all(module is before[name] for name, module in fused.named_modules())
    assert not any(type(module) in FUSED for module in fused.modules())


@pytest.mark.usefixtures("where")
@pytest.mark.parametrize("plan", [None, HALF], ids=["plain", "allocated"])
@pytest.mark.parametrize("size", [8, 12, 32])
def test_derived_networks(plan: ChannelPlan | None, size: int) -> None:
    plain = DerivedNetwork(PUBLISHED["DARTS_V2"], plan, channels=4, num_cells=3, num_classes=3).double()
    fused = fuse(copy.deepcopy(plain))
    images = torch.randn(4, 3, size, size, dtype=torch.float64)

    def everything(network: DerivedNetwork) -> list[Tensor]:
        logits = network(images)
        gradients = torch.autograd.grad(logits.square().sum(), list(network.parameters()), materialize_grads=True)
        return [logits, *gradients, *network.buffers(), network.eval()(images)]

    for found, expected in zip(everything(fused), everything(plain), strict=True):
        torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


class _HalvingPointwise(TorchDispatchMode):
    """Counts 1x1 convolutions of stride 2."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.convolution.default:
            self.count += args[1].shape[2:] == (1, 1) and list(args[3]) == [2, 2]
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("accelerate", [fuse, lay_out_modules])
@pytest.mark.parametrize("build", [lambda: FactorizedReduce(8, 8), lambda: ReluConvNorm(8, 8, 1, stride=2)])
def test_no_1x1_convolution_of_large_channels_last_maps_has_stride_2(
    accelerate: Callable[[nn.Module], object], build: Callable[[], nn.Module]
) -> None:
    """Torch 2.14 writes past its memory in their gradients."""
    plain = build().double()
    other = nn.Sequential(copy.deepcopy(plain))
    accelerate(other)
    images = torch.randn(2, 8, 64, 64, dtype=torch.float64)
    with _HalvingPointwise() as calls:
        expected = plain(images)
    assert calls.count > 0
    with _HalvingPointwise() as calls:
        found = other(images.contiguous(memory_format=torch.channels_last))
    assert calls.count == 0
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-9)


def test_plain_networks_need_no_fused_module() -> None:
    code = "import sys, aca_ray.nn; print([name for name in sys.modules if name.startswith('aca_ray.nn.fused')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
