"""All search methods by name: every module of this package that defines METHOD, and those of plug-ins."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

import aca_ray.methods as package
from aca_ray.errors import ConfigError, unknown_name
from aca_ray.methods.core import SearchMethod
from aca_ray.methods.settings import Setting, setting_problems, settings_of
from aca_ray.space.labels import parse_method_label

_PLUGGED: dict[str, ModuleType] = {}  # modules of plug-ins, by name of the method


@cache
def methods() -> dict[str, SearchMethod]:
    """Return every method with the paper's settings, by name, sorted."""
    found: dict[str, SearchMethod] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        method = getattr(_module(module_info.name), "METHOD", None)
        if isinstance(method, SearchMethod):
            if method.name != module_info.name:
                raise ConfigError(
                    f"methods/{module_info.name}.py: METHOD.name must be the file's name, found {method.name!r}"
                )
            found[method.name] = method
    return found


def add_method(module: ModuleType) -> None:
    """Add the METHOD of a plug-in's module, whose name is free."""
    methods()[module.METHOD.name] = module.METHOD
    _PLUGGED[module.METHOD.name] = module


def remove_method(name: str) -> None:
    """Remove the method of a plug-in."""
    del methods()[name], _PLUGGED[name]


def method_settings(name: str) -> dict[str, Setting]:
    """Return the settings of a registered method, by name; {} if it has none."""
    build = _builder(name)
    return {} if build is None else settings_of(build)


def method_problems(name: str, chosen: Mapping[str, Any], place: str) -> list[str]:
    """Return every problem of a method's name and of chosen settings."""
    if name not in methods():
        return [unknown_name(place, "method", name, methods())]
    return setting_problems(method_settings(name), chosen, place)


def find_method(text: str, place: str = "method") -> SearchMethod:
    """Return the method of a name or a label.

    Raises:
        ConfigError: the name is unknown or a setting is wrong; contains all problems.
    """
    name, chosen = parse_method_label(text) or (text, {})
    problems = method_problems(name, chosen, place)
    if problems:
        raise ConfigError(problems)
    build = _builder(name)
    return methods()[name] if build is None or not chosen else build(**chosen)


def _module(name: str) -> Any:
    return importlib.import_module(f"{package.__name__}.{name}")


def _builder(name: str) -> Callable[..., SearchMethod] | None:
    return getattr(_PLUGGED.get(name) or _module(name), "build", None)
