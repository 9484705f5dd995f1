"""Sources of plug-ins: their text, their SHA-256, and the modules that they become."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import linecache
import sys
import traceback
from functools import cache
from importlib import metadata
from pathlib import Path
from types import ModuleType

from aca_ray.errors import ConfigError
from aca_ray.storage import StoragePath
from aca_ray.storage.bounded import read_bytes

MOST_BYTES = 1 << 20  # of a file; code is smaller


def is_file_name(name: str) -> bool:
    """Return whether the name of a plug-in is that of a file; else it is that of a module."""
    return name.endswith(".py")


def read_source(path: StoragePath) -> bytes:
    """Return the text of a plug-in's file, or raise StorageError."""
    return read_bytes(path, MOST_BYTES)


def sha256_of(source: bytes) -> str:
    """Return the SHA-256 of a file's text, in hexadecimal digits."""
    return hashlib.sha256(source).hexdigest()


def check_source(name: str, source: bytes, sha256: str, place: str) -> None:
    """Raise ConfigError unless a source has the SHA-256 that a sweep's trials name."""
    if sha256_of(source) != sha256:
        raise ConfigError(
            f"{place}: must be the plug-in {name} with SHA-256 {sha256[:12]}, found {sha256_of(source)[:12]}; restore "
            "the file"
        )


def execute(name: str, source: bytes, path: str) -> ModuleType:
    """Return the module of a plug-in's file.

    Args:
        name: name of the plug-in.
        source: its text.
        path: file that contains it, for messages.

    Raises:
        ConfigError: the code raises an error.
    """
    module = ModuleType(f"aca_ray_plugin_{name.removesuffix('.py')}_{sha256_of(source)[:12]}")
    module.__file__ = path
    sys.modules[module.__name__] = module  # dataclasses look their module up
    try:
        text = source.decode()
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)  # for tracebacks
        exec(compile(source, path, "exec"), vars(module))
    except Exception as error:
        del sys.modules[module.__name__]
        raise ConfigError(f"{path}: cannot be loaded ({_reason(error)}); correct the plug-in") from error
    return module


def import_module(name: str) -> ModuleType:
    """Return the module of a dotted name.

    Raises:
        ConfigError: there is none, or its code raises an error.
    """
    try:
        return importlib.import_module(name)
    except Exception as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name and name.startswith(error.name)
        fix = "install it on this machine, or give the path of a file (NAME.py)" if missing else "correct the plug-in"
        raise ConfigError(f"{name}: cannot be imported ({_reason(error)}); {fix}") from error


@cache
def module_sha256(name: str) -> str:
    """Return the SHA-256 of all Python files of the top-level package of an importable module."""
    top = name.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None or not (spec.submodule_search_locations or spec.origin):
        raise ConfigError(f"{name}: has no Python files; give a module that has")
    if not spec.submodule_search_locations:
        assert spec.origin is not None
        return sha256_of(Path(spec.origin).read_bytes())
    digest = hashlib.sha256()
    for folder in map(Path, spec.submodule_search_locations):
        for file in sorted(folder.rglob("*.py")):
            digest.update(f"{file.relative_to(folder).as_posix()}\0{sha256_of(file.read_bytes())}\n".encode())
    return digest.hexdigest()


def origin_of(module: str) -> str:
    """Return the distribution of a module with its version; without one, the module."""
    return distribution_of(module) or f"module {module}"


def distribution_of(module: str) -> str | None:
    """Return the installed distribution of a module, with its version, or None."""
    names = metadata.packages_distributions().get(module.partition(".")[0], ())
    return f"{names[0]} {metadata.version(names[0])}" if names else None


def _reason(error: Exception) -> str:
    """Return an error with the line of the plug-in where it occurred."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    frames = [frame for frame in frames if "importlib" not in frame.filename]
    place = f", line {frames[-1].lineno} of {frames[-1].filename}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
