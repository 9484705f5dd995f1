"""Plug-ins that installed packages announce as entry points."""

from __future__ import annotations

from functools import cache
from importlib import metadata

from aca_ray.errors import ConfigError
from aca_ray.plugins.loaded import Plugin, activate, active
from aca_ray.plugins.source import import_module, module_sha256

GROUPS = {
    "aca_ray.methods": "method",
    "aca_ray.spaces": "space",
    "aca_ray.data": "data",
    "aca_ray.rankers": "ranker",
    "aca_ray.rules": "rule",
    "aca_ray.controls": "control",
    "aca_ray.protocols": "protocol",
}
"""Kinds of objects by group of entry points: the name of an entry point is that of the object, its value the module."""


def installed_plugins() -> tuple[list[Plugin], dict[str, str]]:
    """Activate all installed plug-ins; return them, and {name of an entry point: why it can't be used}.

    A broken package must not stop a sweep that does not use it: its problem is told when a spec uses the name, and by
    `aca-ray list`.
    """
    found: dict[str, Plugin] = {}
    problems: dict[str, str] = {}
    for point, kind, distribution in _entry_points():
        module = point.value.partition(":")[0].strip()
        try:
            plugin = active().get(module) or found.get(module) or _load(module, distribution)
            activate(plugin)
            found[module] = plugin
            if point.name not in plugin.facts().names.get(kind, ()):
                raise ConfigError(f"{module}: defines no {kind} {point.name!r}")
        except (ConfigError, OSError) as error:
            problems[point.name] = f"entry point {point.group}: {point.name} of {distribution}: {error}"
    return list(found.values()), problems


def missing_reason(name: str) -> str:
    """Return why a name is unknown although an installed package announces it; empty if none does."""
    problem = installed_plugins()[1].get(name)
    return "" if problem is None else f". An installed package announces it, but it cannot be loaded: {problem}"


def _load(module: str, distribution: str) -> Plugin:
    return Plugin(module, distribution, module_sha256(module), import_module(module), listed=False)


@cache
def _entry_points() -> tuple[tuple[metadata.EntryPoint, str, str], ...]:
    """Return (entry point, kind, distribution with version) of every entry point."""
    return tuple(
        (point, kind, "unknown" if point.dist is None else f"{point.dist.name} {point.dist.version}")
        for group, kind in GROUPS.items()
        for point in sorted(metadata.entry_points(group=group), key=lambda point: (point.name, point.value))
    )
