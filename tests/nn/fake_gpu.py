"""Networks and tensors on a GPU without one: torch's fake tensors have a device but no values.

They refuse operands on two devices. CUDA's backward passes need a GPU, those of the device `lazy` none: torch runs them
in the thread that asks for them.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

GPU = torch.device("cuda")
WITH_BACKWARD = torch.device("lazy")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeTensorMode]:
    """Make all tensors fake."""
    monkeypatch.setattr(Tensor, "pin_memory", lambda tensor: tensor)  # fake tensors have no memory
    with FakeTensorMode() as mode:
        yield mode


def moved(tensor: Tensor, device: torch.device = GPU) -> Tensor:
    """Return a fake tensor of the same shape and type on a device."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, device=device)


def on_gpu(network: nn.Module, device: torch.device = GPU) -> nn.Module:
    """Return the network with fake tensors on a device; `Module.to` cannot convert to them."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            module._parameters[name] = None if parameter is None else nn.Parameter(moved(parameter, device))
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else moved(buffer, device)
    return network
