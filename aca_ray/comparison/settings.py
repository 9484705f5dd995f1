"""Parts of a setting; settings are canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def setting_parts(setting: str) -> dict[str, Any]:
    """Return the values of a setting by dotted name, sorted."""
    return dict(_parts(json.loads(setting), ""))


def _parts(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key in sorted(values):
        if isinstance(values[key], dict):
            yield from _parts(values[key], f"{path}{key}.")
        else:
            yield f"{path}{key}", values[key]
