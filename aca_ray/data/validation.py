"""Validation of the data mapping of a spec: its keys, their defaults, and all mistakes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.data.image_set import STD_FLOOR
from aca_ray.data.shards import local_files
from aca_ray.data.source import Key, Source, is_uri
from aca_ray.data.sources import SOURCES
from aca_ray.errors import ConfigError, shortened, unknown_name

# Minimum of each limit: two images per half of the training images, two test images.
LIMITS = {"max_train_images": 4, "max_test_images": 2}
SWITCHES = ("flip", "crop", "color")
NUM_CHANNELS = (1, 3)
SIZE_MULTIPLE = 4  # each of the two reduction cells halves height and width
MAX_SIZE = 4096
_MOMENTS = {"mean": (0.0, 1.0), "std": (STD_FLOOR, 1.0)}  # of a normalization, with their bounds


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
    return source, {**defaults, **_switches(source), **_without_shorthand(source, data)}


def canonical_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the canonical form of a valid mapping, so that all spellings are one data set.

    Switches, flags and a normalization of the default value are left out, `augmentation: none` becomes the switches
    that it stands for, and the numbers of a normalization become floats.
    """
    source = SOURCES.get(str(data.get("name")))
    if source is None:
        return dict(data)
    flags = {name: key.default for name, key in source.keys.items() if key.kind == "flag"}
    plain, defaults = _without_shorthand(source, data), {**_switches(source), **flags}
    if "normalization" in plain:
        given = plain["normalization"]
        plain["normalization"] = {name: [float(value) for value in given[name]] for name in _MOMENTS}
        if source.normalization == tuple(tuple(plain["normalization"][name]) for name in _MOMENTS):
            del plain["normalization"]
    return {name: value for name, value in plain.items() if not (name in defaults and value == defaults[name])}


def _switches(source: Source) -> dict[str, bool]:
    return {"flip": source.flip, "crop": True, **({"color": True} if source.color else {})}


def _without_shorthand(source: Source, data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the mapping with switches instead of `augmentation`."""
    plain = {name: value for name, value in data.items() if name != "augmentation"}
    return {**plain, **dict.fromkeys(_switches(source), False)} if "augmentation" in data else plain


def _key_problems(data: Mapping[str, Any], place: str) -> list[str]:
    """Return the problems of names, presence and types."""
    if not isinstance(data, Mapping):
        return [f"{place}: must be a mapping such as {{name: digits}}, found {data!r}"]
    if "name" not in data:
        return [f"{place}.name: is required; known data sets: {', '.join(sorted(SOURCES))}"]
    if not isinstance(data["name"], str) or data["name"] not in SOURCES:
        return [unknown_name(f"{place}.name", "data set", data["name"], SOURCES)]
    source = SOURCES[data["name"]]
    switches = _switches(source)
    known = {"name", *source.keys, *LIMITS, *switches, "augmentation", "normalization", "resize"}
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
    for name in switches:
        if not isinstance(data.get(name, True), bool):
            problems.append(f"{place}.{name}: must be true or false, found {data[name]!r}")
    problems += _augmentation_problems(data, switches, place)
    return problems + view_problems(data, place)


def _augmentation_problems(data: Mapping[str, Any], switches: Mapping[str, bool], place: str) -> list[str]:
    """Return the problems of `augmentation`, a shorthand for all switches set to false."""
    if "augmentation" not in data:
        return []
    if data["augmentation"] != "none":
        return [
            f"{place}.augmentation: must be none, found {shortened(data['augmentation'])}; leave it out for the usual "
            f"augmentation, or switch parts of it: {', '.join(switches)}"
        ]
    return [
        f"{place}.{name}: is true, but {place}.augmentation is none; leave one of them out"
        for name in switches
        if data.get(name) is True
    ]


def view_problems(data: Mapping[str, Any], place: str) -> list[str]:
    """Return the problems of `resize` and `normalization` in a data mapping; see `validate_data`."""
    return _resize_problems(data, place) + _normalization_problems(data, place)


def _normalization_problems(data: Mapping[str, Any], place: str) -> list[str]:
    if "normalization" not in data:
        return []
    given, place = data["normalization"], f"{place}.normalization"
    if not isinstance(given, Mapping):
        return [
            f"{place}: must be a mapping such as {{mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25]}}, found "
            f"{shortened(given)}; leave it out for the published or computed values"
        ]
    problems = [unknown_name(f"{place}.{name}", "key", name, _MOMENTS) for name in given if name not in _MOMENTS]
    counts = set()
    for name, (low, high) in _MOMENTS.items():
        values, own = given.get(name), f"{place}.{name}"
        if name not in given:
            problems.append(f"{own}: is required, one value per channel")
        elif not isinstance(values, list | tuple) or len(values) not in NUM_CHANNELS:
            problems.append(
                f"{own}: must be a list of one value per channel, 1 for gray images or 3 for RGB, found "
                f"{shortened(values)}"
            )
        else:
            counts.add(len(values))
            problems += [
                f"{own}[{index}]: must be a number from {low:g} to {high:g}, a fraction of the full range, found "
                f"{shortened(value)}" + "; divide values of 0 to 255 by 255" * (_is_number(value) and value > high)
                for index, value in enumerate(values)
                if not _is_number(value) or not low <= value <= high
            ]
    if len(counts) > 1:
        problems.append(f"{place}: mean and std must have equally many values, one per channel, found 1 and 3")
    return problems


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _resize_problems(data: Mapping[str, Any], place: str) -> list[str]:
    size = data.get("resize", SIZE_MULTIPLE)
    if type(size) is int and size % SIZE_MULTIPLE == 0 and SIZE_MULTIPLE <= size <= MAX_SIZE:
        return []
    return [
        f"{place}.resize: must be a multiple of {SIZE_MULTIPLE} from {SIZE_MULTIPLE} to {MAX_SIZE} (pixels; two "
        f"reduction cells each halve the images), found {size!r}; leave the key out to keep the images' size"
    ]


def _value_problems(value: Any, key: Key, place: str) -> list[str]:
    """Return the problems of a value's type."""
    if key.kind == "flag":
        return [] if isinstance(value, bool) else [f"{place}: must be true or false, found {shortened(value)}"]
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
    if key.kind in ("text", "flag"):
        return []
    if key.kind == "files":
        if is_uri(value) or local_files(value):
            return []
        found = "no .parquet files in the folder" if Path(value).expanduser().is_dir() else "no file"
        return [f"{place}: {found} {value!r}; correct the path, or give an object-store URI such as s3://bucket/key"]
    if is_uri(value):
        return [f"{place}: must be a local folder, found the URI {value!r}"]
    path = Path(value).expanduser()
    if key.kind == "images" and not path.exists():
        return [f"{place}: no folder {value!r}; correct the path, or put the images there with a folder per class"]
    return [f"{place}: must be a folder, found the file {value!r}"] if path.exists() and not path.is_dir() else []
