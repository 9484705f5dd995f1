"""The device granted to a process, and its share."""

from __future__ import annotations

import pytest
import torch

from aca_ray.training import select_device

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_without_a_grant_there_is_no_gpu() -> None:
    assert select_device(0) == torch.device("cpu")
    assert select_device(False) == torch.device("cpu")


def test_nothing_computes_in_tf32_on_a_gpu() -> None:
    backends = (torch.backends.cudnn, torch.backends.cuda.matmul)
    before = [backend.allow_tf32 for backend in backends]
    try:
        for backend in backends:
            backend.allow_tf32 = True
        select_device(1)
        assert not any(backend.allow_tf32 for backend in backends)
    finally:
        for backend, allowed in zip(backends, before, strict=True):
            backend.allow_tf32 = allowed


@needs_gpu
def test_a_share_of_a_gpu_is_a_share_of_its_memory() -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    device = select_device(0.25)
    try:
        torch.empty(total // 5, dtype=torch.uint8, device=device)
        with pytest.raises(torch.cuda.OutOfMemoryError):
            torch.empty(total // 3, dtype=torch.uint8, device=device)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    torch.empty(total // 3, dtype=torch.uint8, device=select_device(1))
