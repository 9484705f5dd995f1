"""Validation of the data mapping of a spec: its keys, their defaults, and all mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.data.shards import local_files
from aca_ray.data.source import Key, Source, is_uri
from aca_ray.data.sources import SOURCES
from aca_ray.errors import ConfigError, unknown_name

# Minimum of each limit: two images per half of the training images, two test images.
LIMITS = {"max_train_images": 4, "max_test_images": 2}
SWITCHES = ("flip", "crop")
SIZE_MULTIPLE = 4  # each of the two reduction cells halves height and width
MAX_SIZE = 4096


def validate_data(data: Mapping[str, Any], place: str) -> list[str]:
    """Return every problem of a data mapping, [] if there is none; opens no file.

    Args:
        data: the data mapping of a spec.
        place: where the mapping was read, for example `experiment.data`.

    Returns:
        One sentence per problem, each beginning with its place.
    """
    problems = _key_problems(data, place)
    source = SOURCES.get(data["name"]) if isinstance(data, Mapping) and isinstance(data.get("name"), str) else None
    for name, key in source.keys.items() if source else ():
        if name in data and not _value_problems(data[name], key, ""):
            problems += _location_problems(data[name], key, f"{place}.{name}")
    return problems


def resolve_data(data: Mapping[str, Any]) -> tuple[Source, dict[str, Any]]:
    """Return the source and the mapping with all defaults filled in.

    Raises:
        ConfigError: the mapping is wrong; lists all problems.
    """
    problems = _key_problems(data, "data")
    if problems:
        raise ConfigError(problems)
    source = SOURCES[data["name"]]
    defaults = {name: key.default for name, key in source.keys.items() if key.default is not None}
    return source, {**defaults, **_switches(source), **data}


def without_default_switches(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping without a `flip` or `crop` of the default value, so that both spellings are one data set."""
    source = SOURCES.get(str(data.get("name")))
    switches = {} if source is None else _switches(source)
    return {name: value for name, value in data.items() if not (name in switches and value == switches[name])}


def _switches(source: Source) -> dict[str, bool]:
    return {"flip": source.flip, "crop": True}


def _key_problems(data: Mapping[str, Any], place: str) -> list[str]:
    """Return the problems of names, presence and types."""
    if not isinstance(data, Mapping):
        return [f"{place}: must be a mapping such as {{name: digits}}, found {data!r}"]
    if "name" not in data:
        return [f"{place}.name: is required; known data sets: {', '.join(sorted(SOURCES))}"]
    if not isinstance(data["name"], str) or data["name"] not in SOURCES:
        return [unknown_name(f"{place}.name", "data set", data["name"], SOURCES)]
    source = SOURCES[data["name"]]
    known = {"name", *source.keys, *LIMITS, *SWITCHES, "resize"}
    problems = [unknown_name(f"{place}.{key}", "key", key, known) for key in data if key not in known]
    for name, key in source.keys.items():
        value = data.get(name, key.default)
        if name not in data and value is None:
            problems.append(f"{place}.{name}: is required by the data set {source.name}")
        else:
            problems += _value_problems(value, key, f"{place}.{name}")
    for name, least in LIMITS.items():
        value = data.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            problems.append(
                f"{place}.{name}: must be an integer of at least {least}, found {value!r}; leave the key out to use all"
            )
    for name in SWITCHES:
        if not isinstance(data.get(name, True), bool):
            problems.append(f"{place}.{name}: must be true or false, found {data[name]!r}")
    return problems + resize_problems(data, place)


def resize_problems(data: Mapping[str, Any], place: str) -> list[str]:
    """Return the problems of `resize` in a data mapping; see `validate_data`."""
    size = data.get("resize", SIZE_MULTIPLE)
    if type(size) is int and size % SIZE_MULTIPLE == 0 and SIZE_MULTIPLE <= size <= MAX_SIZE:
        return []
    return [
        f"{place}.resize: must be a multiple of {SIZE_MULTIPLE} from {SIZE_MULTIPLE} to {MAX_SIZE} (pixels; two "
        f"reduction cells each halve the images), found {size!r}; leave the key out to keep the images' size"
    ]


def _value_problems(value: Any, key: Key, place: str) -> list[str]:
    """Return the problems of a value's type."""
    if key.kind == "files" and isinstance(value, list) and value:
        return [
            f"{place}[{index}]: must be a non-empty string, found {one!r}"
            for index, one in enumerate(value)
            if not isinstance(one, str) or not one
        ]
    if isinstance(value, str) and value:
        return []
    return [f"{place}: must be a non-empty string{' or a list of them' * (key.kind == 'files')}, found {value!r}"]


def _location_problems(value: str | list[str], key: Key, place: str) -> list[str]:
    """Return the problems of local paths that show without opening a file."""
    if isinstance(value, list):
        return [
            problem for index, one in enumerate(value) for problem in _location_problems(one, key, f"{place}[{index}]")
        ]
    if key.kind == "text":
        return []
    if key.kind == "files":
        if is_uri(value) or local_files(value):
            return []
        found = "no .parquet files in the folder" if Path(value).expanduser().is_dir() else "no file"
        return [f"{place}: {found} {value!r}; correct the path, or give an object-store URI such as s3://bucket/key"]
    if is_uri(value):
        return [f"{place}: must be a local folder, found the URI {value!r}"]
    path = Path(value).expanduser()
    return [f"{place}: must be a folder, found the file {value!r}"] if path.exists() and not path.is_dir() else []
