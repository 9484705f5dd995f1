"""The plug-ins that a spec lists."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aca_ray.errors import AcaRayError, ConfigError
from aca_ray.plugins.installed import installed_plugins
from aca_ray.plugins.loaded import Plugin, activate, active, deactivate, loaded_name
from aca_ray.plugins.source import (
    execute,
    import_module,
    is_file_name,
    module_sha256,
    origin_of,
    read_source,
    sha256_of,
)
from aca_ray.space.plugged import PluginFacts


def load_listed(value: Any, place: str, base: Path) -> tuple[list[PluginFacts], list[str]]:
    """Activate the plug-ins that a spec lists, the installed ones, and no others.

    Args:
        value: the list as written: paths of Python files, or dotted names of modules.
        place: its place in the spec, for messages.
        base: folder that paths are relative to.

    Returns:
        The plug-ins that could be loaded, and all problems.
    """
    written = [value] if isinstance(value, str) else value
    if not isinstance(written, list | tuple):
        return [], [f"{place}: must be a list of files (NAME.py) and modules, found {value!r:.200}"]
    problems: list[str] = []
    found: dict[str, Plugin] = {}
    for index, entry in enumerate(written):
        at = f"{place}[{index}]"
        if not isinstance(entry, str) or not entry:
            problems.append(f"{at}: must be the path of a Python file or the name of a module, found {entry!r:.200}")
            continue
        name = Path(entry).name if is_file_name(entry) else entry
        if name in found:
            problems.append(f"{at}: has the name of another plug-in, {name}; list it once, or rename the file")
            continue
        try:
            found[name] = source_of(entry, base)
        except AcaRayError as error:
            problems += _placed(at, error)
    deactivate([name for name, plugin in active().items() if plugin.listed and found.get(name) != plugin])
    installed, _ = installed_plugins()
    for plugin in list(found.values()):
        try:
            activate(plugin)
        except ConfigError as error:
            problems += _placed(f"{place}[{list(found).index(plugin.name)}]", error)
    usable = [active()[name] for name in found if name in active()]
    return [plugin.facts() for plugin in (*usable, *(own for own in installed if own.name not in found))], problems


def source_of(written: str, base: Path) -> Plugin:
    """Return a plug-in given by the path of a file or the name of a module, loaded and not active.

    Raises:
        ConfigError: its code raises an error, or there is no such module.
        StorageError: the file can't be read.
    """
    if not is_file_name(written):
        before = active().get(written)
        if before is not None:
            return before
        module = import_module(written)
        return Plugin(written, origin_of(written), module_sha256(written), module)
    path = (base / written).resolve()
    source = read_source(path)
    before = loaded_name(path.name, sha256_of(source))
    return before or Plugin(path.name, path.name, sha256_of(source), execute(path.name, source, str(path)), source)


def _placed(place: str, error: AcaRayError) -> Iterator[str]:
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    yield from (f"{place}: {problem}" for problem in problems)
