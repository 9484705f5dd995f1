"""Making the locations in a data mapping absolute, so that any process on the machine finds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aca_ray.data.datasets import SOURCES
from aca_ray.data.source import is_uri


def absolute_locations(data: Mapping[str, Any], base: Path) -> dict[str, Any]:
    """Return the data mapping with every relative local path read as relative to `base`; URIs stay as they are.

    A mapping that names no known data set is returned as it is, for `validate_data` to complain about.
    """
    source = SOURCES.get(str(data.get("name")))
    resolved = dict(data)
    for name, key in source.keys.items() if source else ():
        value = data.get(name, key.default)
        if key.kind != "text" and isinstance(value, str) and value and not is_uri(value):
            resolved[name] = str((base / Path(value).expanduser()).resolve())
    return resolved
