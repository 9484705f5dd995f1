"""The plug-ins that are active in this process: what they add is in the registries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from aca_ray.errors import ConfigError
from aca_ray.plugins.registries import REGISTRIES, entries_of, name_problem
from aca_ray.space.plugged import PluginFacts, used_plugins
from aca_ray.space.space_values import in_nasbench201

_ACTIVE: dict[str, Plugin] = {}  # by name


@dataclass(frozen=True)
class Plugin:
    """A plug-in whose code has run.

    Attributes:
        name: name of its file or module.
        origin: where it comes from, in words.
        sha256: SHA-256 of its source.
        module: its module.
        source: text of its file; None for a module.
        listed: whether a spec lists it; else an installed package announces it.
    """

    name: str
    origin: str
    sha256: str
    module: ModuleType
    source: bytes | None = None
    listed: bool = True

    def facts(self) -> PluginFacts:
        """Return the facts about an active plug-in."""
        added = _ADDED[self.name]
        names = {kind: tuple(name for own, name in added if own == kind) for kind in dict.fromkeys(k for k, _ in added)}
        whole = tuple(
            name
            for kind, name in added
            if (kind == "space" and in_nasbench201(name))
            or getattr(REGISTRIES[kind].known()[name], "whole_edges", False)
        )
        return PluginFacts(self.name, self.origin, self.sha256, names, whole, self.listed)


_ADDED: dict[str, list[tuple[str, str]]] = {}  # (kind, name) by name of the plug-in


def active() -> Mapping[str, Plugin]:
    """Return the active plug-ins by name."""
    return _ACTIVE


def used_now(**used: Any) -> dict[str, str]:
    """Return {name: sha256} of the active plug-ins that add names; see `used_plugins`."""
    return used_plugins([plugin.facts() for plugin in _ACTIVE.values()], **used)


def loaded_name(name: str, sha256: str) -> Plugin | None:
    """Return the active plug-in of a name if its source has this SHA-256."""
    plugin = _ACTIVE.get(name)
    return plugin if plugin is not None and plugin.sha256 == sha256 else None


def activate(plugin: Plugin, *, displacing: bool = False) -> None:
    """Add what a plug-in defines to the registries; another version of the plug-in is replaced.

    Args:
        plugin: the plug-in.
        displacing: whether it replaces plug-ins of other specs that have one of its names.

    Raises:
        ConfigError: it defines nothing, or a name that is wrong or taken; nothing is added then. Lists all problems.
    """
    if _ACTIVE.get(plugin.name) == plugin:
        return
    deactivate([plugin.name])
    found = list(entries_of(plugin.module))
    if displacing:
        wanted = {(kind, entry.name) for kind, entry in found}
        deactivate([name for name, added in _ADDED.items() if _ACTIVE[name].listed and wanted & set(added)])
    problems = (
        []
        if found
        else [
            f"{plugin.origin}: defines nothing that a spec can use; define METHOD, or a Ranker, Rule, Control, Space, "
            "Protocol or Source at the top level"
        ]
    )
    seen: set[tuple[str, str]] = set()
    for kind, entry in found:
        problem = name_problem(kind, entry.name)
        if problem is None and (entry.name in REGISTRIES[kind].known() or (kind, entry.name) in seen):
            problem = (
                f"the {kind} {entry.name!r} exists already ({_owner(kind, entry.name, plugin)}); give it another name"
            )
        if problem is not None:
            problems.append(f"{plugin.origin}: {problem}")
        else:
            seen.add((kind, entry.name))
    if problems:
        raise ConfigError(problems)
    for kind, entry in found:
        REGISTRIES[kind].add(plugin.module, entry)
    _ACTIVE[plugin.name], _ADDED[plugin.name] = plugin, [(kind, entry.name) for kind, entry in found]


def deactivate(names: Iterable[str]) -> None:
    """Remove what plug-ins have added; names of others are ignored."""
    for plugin in [name for name in names if name in _ACTIVE]:
        for kind, name in _ADDED.pop(plugin):
            REGISTRIES[kind].remove(name)
        del _ACTIVE[plugin]


def added_by(plugin: str) -> Iterator[tuple[str, Any]]:
    """Yield (kind, object) of what an active plug-in has added."""
    for kind, name in _ADDED[plugin]:
        yield kind, REGISTRIES[kind].known()[name]


def _owner(kind: str, name: str, plugin: Plugin) -> str:
    for other, added in _ADDED.items():
        if (kind, name) in added:
            return f"plug-in {_ACTIVE[other].origin}"
    return "of aca_ray" if name in REGISTRIES[kind].known() else "in the same plug-in"
