"""Asynchronous host-to-device copies."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """Return a tensor on a device; a copy from the CPU is queued, and the result can be used at once.

    Copies to a GPU go through page-locked memory; without it, CUDA first waits for the work queued before.
    """
    device = torch.device(device)
    if device.type == "cuda" and tensor.device.type == "cpu":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
