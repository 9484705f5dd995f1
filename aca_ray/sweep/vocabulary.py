"""The names that a spec may use, from the registries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.benchmark import TABLES
from aca_ray.channels import CONTROLS, DEFAULT_ALLOCATION, DEFAULT_RANKING, DEFAULT_WHOLE_EDGES, RANKERS, RULES
from aca_ray.config import Defaults, Vocabulary
from aca_ray.data import DATA_PRUNERS, absolute_locations, canonical_data, validate_data
from aca_ray.methods.registry import method_problems
from aca_ray.methods.settings import label, parse_label
from aca_ray.retraining import DEFAULT_PROTOCOL, read_protocol
from aca_ray.space import read_space
from aca_ray.storage import storage_problems


def vocabulary(base: Path) -> Vocabulary:
    """Return all known names; relative paths in a data mapping are relative to `base`."""

    def data_problems(data: Mapping[str, Any], place: str) -> list[str]:
        return validate_data(absolute_locations(data, base) if isinstance(data, Mapping) else data, place)

    return Vocabulary(
        ranker=frozenset(RANKERS),
        allocation_rule=frozenset(RULES),
        control=frozenset(CONTROLS),
        table=frozenset(TABLES),
        whole_edge_rules=_whole_edge_names(),
        data_pruner=frozenset(DATA_PRUNERS),
        read_protocol=read_protocol,
        read_method=_read_method,
        read_space=read_space,
        data_problems=data_problems,
        storage_problems=storage_problems,
        plain_data=canonical_data,
        defaults=Defaults(DEFAULT_RANKING, DEFAULT_ALLOCATION, DEFAULT_WHOLE_EDGES, DEFAULT_PROTOCOL),
    )


def _read_method(value: Any, place: str) -> tuple[str, list[str]]:
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        name, chosen = value["name"], {key: item for key, item in value.items() if key != "name"}
    elif isinstance(value, str):
        name, chosen = parse_label(value) or (value, {})
    else:
        return "", [f"{place}: must be a method's name or a mapping such as {{name: darts}}, found {value!r}"]
    problems = method_problems(name, chosen, place)
    return ("" if problems else label(name, chosen)), problems


def _whole_edge_names() -> frozenset[str]:
    rules = (name for name, rule in RULES.items() if rule.whole_edges)
    return frozenset(rules) | {name for name, control in CONTROLS.items() if control.whole_edges}
