"""Plug-ins of a sweep on other machines and in later processes, from the copies in the sweep's folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from aca_ray.errors import ConfigError
from aca_ray.plugins.loaded import Plugin, activate, active, loaded_name
from aca_ray.plugins.source import (
    check_source,
    distribution_of,
    execute,
    import_module,
    is_file_name,
    module_sha256,
    origin_of,
    read_source,
)
from aca_ray.space.plugged import PluginFacts
from aca_ray.storage import StoragePath, write_bytes

CopyOf = Callable[[str, str], StoragePath]
"""Returns the copy of a plug-in's file, given its name and SHA-256."""


@dataclass(frozen=True)
class KeptPlugins:
    """Plug-ins that a process needs, as plain values that can be sent to it.

    Attributes:
        sha256: SHA-256 of the source by name of the plug-in.
        copies: copies of the files, by name.
        sources: texts of files that have no copies, by name.
    """

    sha256: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, StoragePath] = field(default_factory=dict)
    sources: Mapping[str, bytes] = field(default_factory=dict)

    @staticmethod
    def of(plugins: Mapping[str, str] | Iterable[PluginFacts], copy_of: CopyOf) -> KeptPlugins:
        """Return the plug-ins of a trial, {name: sha256}, or of an experiment."""
        if not isinstance(plugins, Mapping):
            plugins = {plugin.name: plugin.sha256 for plugin in plugins}
        files = {name: copy_of(name, sha256) for name, sha256 in plugins.items() if is_file_name(name)}
        return KeptPlugins(dict(plugins), files)

    @staticmethod
    def carried(plugins: Iterable[PluginFacts]) -> KeptPlugins:
        """Return active plug-ins of an experiment with the texts of their files."""
        loaded = {plugin.name: active()[plugin.name] for plugin in plugins}
        sources = {name: plugin.source for name, plugin in loaded.items() if plugin.source is not None}
        return KeptPlugins({name: plugin.sha256 for name, plugin in loaded.items()}, sources=sources)

    def load(self) -> None:
        """Activate the plug-ins in this process.

        Raises:
            ConfigError: a module is missing here, or a source differs from the one that the sweep began with.
            StorageError: a copy can't be read.
        """
        for name, sha256 in self.sha256.items():
            if loaded_name(name, sha256) is not None:
                continue
            if is_file_name(name) and name not in self.copies and name not in self.sources:
                raise ConfigError(f"plug-in {name}: its file is in no sweep's folder; name the trial in its sweep")
            if is_file_name(name):
                path = self.copies.get(name, name)
                source = self.sources[name] if isinstance(path, str) else read_source(path)
                check_source(name, source, sha256, str(path))
                activate(Plugin(name, name, sha256, execute(name, source, str(path)), source), displacing=True)
                continue
            module = import_module(name)
            if (found := module_sha256(name)) != sha256:
                raise ConfigError(
                    f"plug-in {name}: its package must have SHA-256 {sha256[:12]} on every machine, found "
                    f"{found[:12]} here; install the version that the sweep began with"
                )
            activate(Plugin(name, origin_of(name), sha256, module), displacing=True)


def keep_sources(plugins: Iterable[PluginFacts], copy_of: CopyOf) -> None:
    """Write the files of active plug-ins to their copies, where these are missing.

    Raises:
        StorageError: a copy can't be written.
    """
    for plugin in plugins:
        loaded = loaded_name(plugin.name, plugin.sha256)
        path = copy_of(plugin.name, plugin.sha256)
        if loaded is not None and loaded.source is not None and not path.is_file():
            write_bytes(path, loaded.source)


def not_in_folder(plugins: Iterable[PluginFacts], folder: Path) -> tuple[list[Path], list[str]]:
    """Return what a job needs besides its uploaded folder: packages to upload, and problems of what can't be.

    Modules of installed distributions have to be installed where the job runs.

    Args:
        plugins: active plug-ins.
        folder: the folder of the spec.
    """
    packages, problems = [], []
    for plugin in map(active().__getitem__, (plugin.name for plugin in plugins)):
        is_file = is_file_name(plugin.name)
        if not is_file and distribution_of(plugin.name) is not None:
            continue
        path = Path(str((plugin.module if is_file else sys.modules[plugin.name.partition(".")[0]]).__file__)).resolve()
        if path.is_relative_to(folder):
            continue
        if path.name == "__init__.py":
            packages.append(path.parent)
        else:
            problems.append(f"{plugin.name}: must be in the folder of the spec, which is uploaded; move {path} there")
    return packages, problems
