"""The names that a spec may use, from the registries."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.benchmark import TABLES
from aca_ray.channels import CONTROLS, DEFAULT_ALLOCATION, DEFAULT_RANKING, DEFAULT_WHOLE_EDGES, RANKERS, RULES
from aca_ray.config import Defaults, Vocabulary
from aca_ray.data import DATA_PRUNERS, absolute_locations, canonical_data, validate_data
from aca_ray.methods.registry import method_problems, method_settings
from aca_ray.methods.settings import canonical_settings
from aca_ray.plugins import load_listed, missing_reason
from aca_ray.retraining import DEFAULT_PROTOCOL, read_protocol
from aca_ray.space import read_space
from aca_ray.space.labels import method_label, parse_method_label
from aca_ray.storage import storage_problems


def vocabulary(base: Path) -> Vocabulary:
    """Return all known names; relative paths in a data mapping are relative to `base`."""

    def data_problems(data: Mapping[str, Any], place: str) -> list[str]:
        named = isinstance(data, Mapping)
        problems = validate_data(absolute_locations(data, base) if named else data, place)
        return _explained(problems, data.get("name") if named else None)

    return Vocabulary(
        ranker=RANKERS.keys(),
        allocation_rule=RULES.keys(),
        control=CONTROLS.keys(),
        table=frozenset(TABLES),
        whole_edge_rules=_whole_edge_names,
        data_pruner=frozenset(DATA_PRUNERS),
        load_plugins=lambda value, place: load_listed(value, place, base),
        missing=missing_reason,
        read_protocol=_read_protocol,
        read_method=_read_method,
        read_space=_read_space,
        data_problems=data_problems,
        storage_problems=storage_problems,
        plain_data=canonical_data,
        defaults=Defaults(DEFAULT_RANKING, DEFAULT_ALLOCATION, DEFAULT_WHOLE_EDGES, DEFAULT_PROTOCOL),
    )


def _read_method(value: Any, place: str) -> tuple[str, list[str]]:
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        name, chosen = value["name"], {key: item for key, item in value.items() if key != "name"}
    elif isinstance(value, str):
        name, chosen = parse_method_label(value) or (value, {})
    else:
        return "", [f"{place}: must be a method's name or a mapping such as {{name: darts}}, found {value!r}"]
    problems = method_problems(name, chosen, place)
    if problems:
        return "", _explained(problems, name)
    return method_label(name, canonical_settings(method_settings(name), chosen)), []


def _read_protocol(value: Any, place: str) -> tuple[Any, list[str]]:
    protocol, problems = read_protocol(value, place)
    return protocol, _explained(problems, value.get("base") if isinstance(value, Mapping) else value)


def _read_space(value: Any, place: str) -> tuple[str, list[str]]:
    space, problems = read_space(value, place)
    return space, _explained(problems, value.get("base") if isinstance(value, Mapping) else value)


def _explained(problems: list[str], name: Any) -> list[str]:
    """Return problems of a name, the first with the reason if an installed package announces the name."""
    if not problems or not isinstance(name, str):
        return problems
    return [problems[0] + missing_reason(name), *problems[1:]]


def _whole_edge_names() -> frozenset[str]:
    rules = (name for name, rule in RULES.items() if rule.whole_edges)
    return frozenset(rules) | {name for name, control in CONTROLS.items() if control.whole_edges}
