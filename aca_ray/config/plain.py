"""Plain values of what Python code writes: a tuple becomes a list, a path its text, a NumPy number a number."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from aca_ray.config.problems import PLACE, ProblemError

MAX_DEPTH = 50  # of lists and mappings in each other


def plain(value: Any, place: str = PLACE, depth: int = 0) -> Any:
    """Return a value made of mappings, lists, strings, numbers, booleans and None.

    Raises:
        ProblemError: the value contains something else, or is nested too deep.
    """
    if depth > MAX_DEPTH:
        raise ProblemError([f"{place}: is nested more than {MAX_DEPTH} deep"])
    if value is None or type(value) in (str, bool, int, float):
        return value
    if isinstance(value, Mapping):
        return {_key(key, place): plain(item, f"{place}.{key}", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | range):
        return [plain(item, f"{place}[{index}]", depth + 1) for index, item in enumerate(value)]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if getattr(value, "shape", None) == () and callable(getattr(value, "item", None)):  # a number of NumPy or torch
        return plain(value.item(), place, depth + 1)
    raise ProblemError(
        [
            f"{place}: must be a mapping, list, string, number, boolean or None, found {type(value).__name__}; "
            "write its value as one of them"
        ]
    )


def _key(key: Any, place: str) -> str:
    if not isinstance(key, str):
        raise ProblemError([f"{place}: a key must be a string, found {key!r:.100}"])
    return key
