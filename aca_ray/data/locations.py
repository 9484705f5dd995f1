"""Absolute locations in a data mapping, so that any process on the machine finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.data.source import is_uri
from aca_ray.data.sources import SOURCES


def absolute_locations(data: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return the data mapping with relative local paths resolved against `base`; URIs are unchanged.

    A mapping of an unknown data set is returned unchanged; `validate_data` reports it.
    """
    source = SOURCES.get(str(data.get("name")))
    resolved = dict(data)
    for name, key in source.keys.items() if source else ():
        if key.kind not in ("text", "flag"):
            value = data.get(name, key.default)
            if isinstance(value, list):
                resolved[name] = [_absolute(one, base) for one in value]
            elif value is not None:
                resolved[name] = _absolute(value, base)
    return resolved


def _absolute(value: Any, base: Path) -> Any:
    """Return a local path made absolute; URIs, and mistakes that validation reports, are unchanged."""
    if isinstance(value, str) and value and not is_uri(value):
        return str((base / Path(value).expanduser()).resolve())
    return value
