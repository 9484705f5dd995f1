"""Fused networks have the structure and the state of plain ones, and compute the same."""

from __future__ import annotations

import copy
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from aca_ray.nn import DerivedNetwork, Supernet
from aca_ray.nn.fused import fuse
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


def test_plain_networks_need_no_fused_module() -> None:
    code = "import sys, aca_ray.nn; print([name for name in sys.modules if name.startswith('aca_ray.nn.fused')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
