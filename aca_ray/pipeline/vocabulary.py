"""The names that a spec may use, read off the registries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.channels import CONTROL_RULES, RANKERS, RULES
from aca_ray.config import Vocabulary
from aca_ray.data import absolute_locations, validate_data
from aca_ray.evaluation import PROTOCOLS
from aca_ray.methods.registry import methods
from aca_ray.space import SPACES


def vocabulary(base: Path) -> Vocabulary:
    """Return all known names; relative paths in a data mapping are read as relative to `base`."""

    def data_problems(data: Mapping[str, Any], place: str) -> list[str]:
        return validate_data(absolute_locations(data, base) if isinstance(data, Mapping) else data, place)

    return Vocabulary(
        method=frozenset(methods()),
        space=frozenset(SPACES),
        ranker=frozenset(RANKERS),
        allocation_rule=frozenset(RULES) - CONTROL_RULES,
        control=CONTROL_RULES,
        protocol=frozenset(PROTOCOLS),
        data_problems=data_problems,
    )
