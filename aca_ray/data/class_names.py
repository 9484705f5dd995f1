"""Class names in the schema metadata of a Parquet file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aca_ray.errors import DataError

_OWN, _HUGGING_FACE = b"classes", b"huggingface"


def named_classes(metadata: Mapping[bytes, bytes] | None, label_column: str, place: str) -> tuple[str, ...] | None:
    """Return the class names by label, or None when the metadata has none.

    They are read from `classes`, a JSON list or comma-separated names, and from `huggingface`, the JSON in which the
    library datasets writes the names of a ClassLabel column.

    Args:
        metadata: metadata of the schema.
        label_column: name of the label column.
        place: the file, for messages.

    Raises:
        DataError: the metadata can't be read, a name is empty or occurs twice, or the two sources differ.
    """
    found: dict[str, tuple[str, ...]] = {}
    for key, read in ((_OWN, _own_names), (_HUGGING_FACE, _hugging_face_names)):
        text = (metadata or {}).get(key)
        names = None if text is None else read(text.decode("utf-8", errors="replace"), label_column, place)
        if names is None:
            continue
        if not names or not all(names) or len(set(names)) != len(names):
            raise DataError(f"{place}: schema metadata {key.decode()} must list distinct names, found {list(names)}")
        found[key.decode()] = names
    if len(set(found.values())) > 1:
        listed = "; ".join(f"{key}: {', '.join(names)}" for key, names in found.items())
        raise DataError(
            f"{place}: two entries of the schema metadata name the classes differently ({listed}); keep one"
        )
    return next(iter(found.values()), None)


def _own_names(text: str, label_column: str, place: str) -> tuple[str, ...]:
    """Return the names in a JSON list, where they may contain commas, or in a comma-separated text."""
    try:
        names = json.loads(text)
    except ValueError:
        names = None
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return tuple(names)
    return tuple(name.strip() for name in text.split(","))


def _hugging_face_names(text: str, label_column: str, place: str) -> tuple[str, ...] | None:
    try:
        features = _member(json.loads(text), "info", "features") or _member(json.loads(text), "features")
    except ValueError as error:
        raise DataError(f"{place}: schema metadata huggingface must be JSON ({error}); correct or remove it") from error
    names = _member(features, label_column, "names")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError(f"{place}: schema metadata huggingface must list the names of {label_column}, found {names!r}")
    return tuple(names)


def _member(value: Any, *path: str) -> Any:
    """Return the value at a path in nested mappings, or None."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value
