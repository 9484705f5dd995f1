"""Runs of items with equal keys; torch.compile does not support itertools.groupby."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")
Key = TypeVar("Key")


def runs(items: Iterable[Item], key: Callable[[Item], Key]) -> list[tuple[Key, list[Item]]]:
    """Return items in their order, consecutive ones with equal keys grouped."""
    found: list[tuple[Key, list[Item]]] = []
    for item in items:
        if found and found[-1][0] == key(item):
            found[-1][1].append(item)
        else:
            found.append((key(item), [item]))
    return found
