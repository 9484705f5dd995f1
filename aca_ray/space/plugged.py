"""Plug-ins of an experiment as plain values: enough to identify its trials without running their code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PLUGIN = "plug-in "  # begins the names of plug-ins in the environment of a record
KINDS = ("method", "space", "data", "ranker", "rule", "control", "protocol")


@dataclass(frozen=True)
class PluginFacts:
    """A plug-in: code of another author that adds names.

    Attributes:
        name: name of its file, such as `tempered_darts.py`, or dotted name of its module.
        origin: where it comes from, in words: the file, or distribution and version.
        sha256: 64 hexadecimal digits of the source.
        names: names that it adds, by kind (KINDS).
        whole_edges: its rules, controls and spaces whose networks are in a benchmark's table.
        listed: whether the spec lists it; else it is installed, and the spec uses one of its names.
    """

    name: str
    origin: str
    sha256: str
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    whole_edges: tuple[str, ...] = ()
    listed: bool = True


def used_plugins(plugins: Iterable[PluginFacts], **used: Any) -> dict[str, str]:
    """Return {name: sha256} of the plug-ins that add the names that a trial uses.

    Args:
        plugins: the plug-ins of the experiment.
        used: what the trial uses, by kind: names, labels of methods, mappings of data or protocols, or None.
    """
    names = {kind: set(_names(value)) for kind, value in used.items()}
    return {
        plugin.name: plugin.sha256
        for plugin in sorted(plugins, key=lambda plugin: plugin.name)
        if any(names.get(kind, set()) & set(added) for kind, added in plugin.names.items())
    }


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.partition("(")[0]  # a method's label contains its settings
    elif isinstance(value, Mapping):
        yield from (value[key] for key in ("name", "base") if isinstance(value.get(key), str))
    elif isinstance(value, Iterable):
        for item in value:
            yield from _names(item)
