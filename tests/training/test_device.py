"""The device granted to a process, and its share."""

from __future__ import annotations

import pytest
import torch
from torch.backends import cuda, cudnn

from aca_ray.training import select_device, tf32_allowed


def test_without_a_grant_there_is_no_gpu() -> None:
    assert select_device(0) == torch.device("cpu")
    assert select_device(False) == torch.device("cpu")


def test_nothing_computes_in_tf32_on_a_gpu() -> None:
    with tf32_allowed(True):
        select_device(1)
        assert not cudnn.allow_tf32
        assert not cuda.matmul.allow_tf32


def test_tf32_is_as_before_afterwards() -> None:
    def found() -> tuple[bool, bool]:
        return cudnn.allow_tf32, cuda.matmul.allow_tf32

    with tf32_allowed(False):
        with pytest.raises(KeyError), tf32_allowed(True):
            raise KeyError
        assert found() == (False, False)
        with tf32_allowed(True):
            assert found() == (True, True)


@pytest.mark.gpu
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
