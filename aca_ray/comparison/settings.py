"""Parts of a setting; settings are canonical JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


def setting_parts(setting: str) -> dict[str, Any]:
    """Return the values of a setting by dotted name, sorted."""
    return dict(_parts(json.loads(setting), ""))


def setting_labels(settings: Iterable[str]) -> dict[str, str]:
    """Return, per setting (canonical JSON), the parts that differ from the others; empty if there is only one."""
    flat = {setting: setting_parts(setting) for setting in settings}
    keys = sorted({key for values in flat.values() for key in values})
    differing = [key for key in keys if len({repr(values.get(key)) for values in flat.values()}) > 1]
    return {
        setting: ", ".join(f"{key} {values[key]}" for key in differing if values.get(key) is not None)
        for setting, values in flat.items()
    }


def _parts(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for key in sorted(values):
        if isinstance(values[key], dict):
            yield from _parts(values[key], f"{path}{key}.")
        else:
            yield f"{path}{key}", values[key]
