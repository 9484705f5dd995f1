"""Packing of many small tensors into a few large ones: a supernet has thousands, and each adds overhead to a write.

A state is packed into a tree (JSON, in which every tensor is a slice of a buffer) and one flat buffer per data type and
device: the state of a search on a GPU has tensors on the CPU too, and each buffer is copied from its device at once.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from aca_ray.errors import CheckpointError


def pack(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a state as {"tree", "buffers"}: a JSON text, and a flat CPU tensor per data type and device.

    Args:
        state: nested dicts, lists and tuples of tensors and JSON values.
    """
    parts: dict[str, list[Tensor]] = {}
    lengths: dict[str, int] = {}

    def tree(value: Any) -> list[Any]:
        if isinstance(value, Tensor):
            name = str(value.dtype).removeprefix("torch.")
            if value.device.type != "cpu":
                name += f" {value.device.type}"
            start = lengths.get(name, 0)
            parts.setdefault(name, []).append(value.detach().flatten())
            lengths[name] = start + value.numel()
            return ["tensor", name, start, list(value.shape)]
        if isinstance(value, Mapping):
            return ["dict", [[key, tree(item)] for key, item in value.items()]]
        if isinstance(value, list | tuple):
            return [type(value).__name__, [tree(item) for item in value]]
        return ["value", value]

    whole = tree(state)
    return {"tree": json.dumps(whole), "buffers": {name: torch.cat(tensors).cpu() for name, tensors in parts.items()}}


def unpack(packed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the state that `pack` packed; every tensor has its own memory.

    Raises:
        CheckpointError: `packed` is not a value that `pack` returns.
    """
    buffers = packed["buffers"]

    def value(node: list[Any]) -> Any:
        kind = node[0]
        if kind == "tensor":
            _, name, start, shape = node
            return buffers[name][start : start + math.prod(shape)].view(shape).clone()
        if kind == "dict":
            return {key: value(item) for key, item in node[1]}
        if kind == "list":
            return [value(item) for item in node[1]]
        if kind == "tuple":
            return tuple(value(item) for item in node[1])
        if kind == "value":
            return node[1]
        raise CheckpointError(f"a packed state has an unknown node of kind {kind!r}")

    state = value(json.loads(packed["tree"]))
    if not isinstance(state, dict):
        raise CheckpointError(f"a packed state must be a dict, found a {type(state).__name__}")
    return state
