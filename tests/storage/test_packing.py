"""Packing a state keeps every value and type."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from aca_ray.errors import CheckpointError
from aca_ray.storage.packing import pack, unpack


def equal(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    return bool(one == other)


def test_round_trip() -> None:
    state = {
        "weights": torch.randn(3, 4, 5),
        "transposed": torch.randn(3, 4).t(),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "empty": torch.zeros(0, 3),
        "bytes": torch.randint(0, 256, (7,), dtype=torch.uint8),
        "flags": torch.tensor([True, False]),
        "optimizer": {
            "state": {0: {"step": torch.tensor(3.0)}, 1: {}},
            "param_groups": [{"lr": 0.1, "betas": (0.5, 0.999)}],
        },
        "plain": [1, 2.5, None, True, "text", (1, (2, [3])), 2**63, 1e-300, 0.1 + 0.2],
    }
    assert equal(unpack(pack(state)), state)


def test_tensors_of_several_devices_are_packed_by_device() -> None:
    """The state of a search on a GPU has counts of batch norms there, and random states and steps on the CPU."""
    with FakeTensorMode():
        state = {
            "running": torch.zeros((), dtype=torch.int64, device="cuda"),
            "random": torch.zeros(624, dtype=torch.int64),
            "weights": torch.zeros(3, 4, device="cuda"),
            "step": torch.zeros(()),
        }
        packed = pack(state)
        assert {name: len(buffer) for name, buffer in packed["buffers"].items()} == {
            "int64 cuda": 1,
            "int64": 624,
            "float32 cuda": 12,
            "float32": 1,
        }
        assert {buffer.device.type for buffer in packed["buffers"].values()} == {"cpu"}
        back = unpack(packed)
        assert {name: (tensor.shape, tensor.dtype) for name, tensor in back.items()} == {
            name: (tensor.shape, tensor.dtype) for name, tensor in state.items()
        }


def test_tensors_share_no_memory() -> None:
    state = {"a": torch.zeros(3), "b": torch.zeros(3)}
    back = unpack(pack(state))
    back["a"].fill_(1.0)
    assert back["b"].tolist() == [0.0] * 3
    assert back["a"].untyped_storage().nbytes() == 12


@pytest.mark.parametrize("tree", ['["set", []]', '["list", []]'])
def test_other_trees_are_refused(tree: str) -> None:
    with pytest.raises(CheckpointError, match="packed state"):
        unpack({"tree": tree, "buffers": {}})
