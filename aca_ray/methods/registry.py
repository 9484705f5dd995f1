"""All search methods by name: every module beside this one that defines METHOD."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import aca_ray.methods as package
from aca_ray.errors import ConfigError, unknown_name
from aca_ray.methods.core import SearchMethod


@cache
def methods() -> dict[str, SearchMethod]:
    """Return every method by name, in the order of their names."""
    found: dict[str, SearchMethod] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        method = getattr(importlib.import_module(f"{package.__name__}.{module_info.name}"), "METHOD", None)
        if isinstance(method, SearchMethod):
            if method.name != module_info.name:
                raise ConfigError(
                    f"methods/{module_info.name}.py: METHOD.name must be the file's, found {method.name!r}"
                )
            found[method.name] = method
    return found


def find_method(name: str, place: str = "method") -> SearchMethod:
    """Return a method, or raise ConfigError with the nearest known name."""
    if name not in methods():
        raise ConfigError(unknown_name(place, "method", name, methods()))
    return methods()[name]
