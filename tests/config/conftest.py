"""The vocabulary of this program, and a valid spec."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from aca_ray.config import SweepSpec, Vocabulary, parse_spec
from aca_ray.errors import ConfigError
from aca_ray.sweep.vocabulary import vocabulary

torch.set_num_threads(1)

GOOD: dict[str, Any] = {
    "name": "tiny",
    "experiment": {"methods": ["darts"], "data": ["digits"], "seeds": [0], "epochs": [2]},
}


@pytest.fixture
def known(tmp_path: Path) -> Vocabulary:
    return vocabulary(tmp_path)


@pytest.fixture
def parse(known: Vocabulary) -> Callable[[str], SweepSpec]:
    """Return a function from a YAML text to a spec."""
    return lambda text: parse_spec(text, known)


@pytest.fixture
def parse_changed(parse: Callable[[str], SweepSpec]) -> Callable[..., SweepSpec]:
    """Return a function that parses the good spec with some places changed; "..." removes the key."""

    def changed(**places: Any) -> SweepSpec:
        value = copy.deepcopy(GOOD)
        for place, new in places.items():
            *parents, last = place.split("__")
            target = value
            for parent in parents:
                target = target.setdefault(parent, {})
            if new is ...:
                del target[last]
            else:
                target[last] = new
        return parse(yaml.safe_dump(value))

    return changed


@pytest.fixture
def problems(parse_changed: Callable[..., SweepSpec]) -> Callable[..., list[str]]:
    """Return a function that returns all problems of the changed spec."""

    def problems_of(**places: Any) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            parse_changed(**places)
        return list(caught.value.problems)

    return problems_of
