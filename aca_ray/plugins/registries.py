"""The registries that plug-ins add to, and the objects that a module adds to them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from aca_ray.channels import CONTROLS, RANKERS, RULES, Control, Ranker, Rule
from aca_ray.data import SOURCES
from aca_ray.data.source import Source
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.registry import add_method, methods, remove_method
from aca_ray.retraining import PROTOCOLS, Protocol
from aca_ray.space import SPACES, Space

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")  # of folders, labels and columns


@dataclass(frozen=True)
class Registry:
    """A kind of objects by name.

    Attributes:
        type: their type.
        known: returns all of them.
        add: adds that of a module: called with the module and the object.
        remove: removes one by name.
    """

    type: type
    known: Callable[[], Mapping[str, Any]]
    add: Callable[[ModuleType, Any], None]
    remove: Callable[[str], object]


def _of_mapping(kind: type, entries: dict[str, Any]) -> Registry:
    return Registry(kind, lambda: entries, lambda module, entry: entries.update({entry.name: entry}), entries.pop)


REGISTRIES: dict[str, Registry] = {
    "method": Registry(SearchMethod, methods, lambda module, entry: add_method(module), remove_method),
    "space": _of_mapping(Space, SPACES),
    "data": _of_mapping(Source, SOURCES),
    "ranker": _of_mapping(Ranker, RANKERS),
    "rule": _of_mapping(Rule, RULES),
    "control": _of_mapping(Control, CONTROLS),
    "protocol": _of_mapping(Protocol, PROTOCOLS),
}


def entries_of(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield (kind, object) of what a module adds: METHOD, and public names of the other types.

    Objects that are registered already, such as an imported CIFAR, are not the module's own.
    """
    seen: list[Any] = []
    for attribute, value in vars(module).items():
        if isinstance(value, SearchMethod) != (attribute == "METHOD") or attribute.startswith("_"):
            continue
        for kind, registry in REGISTRIES.items():
            if isinstance(value, registry.type) and not any(
                value is known for known in (*registry.known().values(), *seen)
            ):
                seen.append(value)
                yield kind, value


def name_problem(kind: str, name: Any) -> str | None:
    """Return what is wrong with the name of an object, None if nothing is."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return None
    return f"the name of a {kind} must be up to 100 letters, digits and _, and begin with a letter; found {name!r:.120}"
