"""Plain values of what Python code writes."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch

from aca_ray.config.plain import MAX_DEPTH, plain
from aca_ray.config.problems import ProblemError


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        (True, True),
        ("a", "a"),
        (1.5, 1.5),
        ((1, (2,)), [1, [2]]),
        (range(3), [0, 1, 2]),
        (Path("a/b"), "a/b"),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (torch.tensor(4), 4),
        (OrderedDict(b=1, a=(2,)), {"b": 1, "a": [2]}),
        (MappingProxyType({"path": Path("x")}), {"path": "x"}),
    ],
)
def test_values(value: Any, expected: Any) -> None:
    found = plain(value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"a": [0, {1, 2}]}, "spec.a[1]"),
        ({"a": np.zeros(2)}, "spec.a"),
        ({"a": {3: 1}}, "spec.a"),
        (lambda: None, "spec"),
        (1j, "spec"),
    ],
)
def test_other_values_are_refused(value: Any, place: str) -> None:
    with pytest.raises(ProblemError) as caught:
        plain(value, "spec")
    assert [sentence.partition(":")[0] for sentence in caught.value.sentences] == [place]


def test_nesting_is_bounded() -> None:
    value: list[Any] = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    assert plain(value) == value
    with pytest.raises(ProblemError, match="nested more than"):
        plain([[value]])
