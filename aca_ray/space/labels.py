"""Labels of search methods, search spaces and retraining protocols, for tables and tags."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from aca_ray.space.fingerprint import fingerprint

_METHOD_LABEL = re.compile(r"(?P<name>\w+)(?:\((?P<settings>.*)\))?")
_MOST_CHARACTERS = 60  # of the label of a space; tables have a column of them
_DIGITS = 8


def protocol_label(protocol: Any) -> str:
    """Return the label of a retraining protocol by name or value, such as `cifar` or `cifar(channels=16, epochs=100)`.

    Equal protocols have the same label if they are in the canonical form of `aca_ray.retraining.read_protocol`.
    """
    if not isinstance(protocol, Mapping):
        return str(protocol)
    fields = (f"{key}={_text(value)}" for key, value in sorted(protocol.items()) if key != "base")
    return f"{protocol.get('base')}({', '.join(fields)})"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def method_label(name: str, chosen: Mapping[str, float]) -> str:
    """Return the canonical name of a method with chosen settings; the bare name without any."""
    if not chosen:
        return name
    return f"{name}({','.join(f'{key}={json.dumps(value)}' for key, value in sorted(chosen.items()))})"


def parse_method_label(text: str) -> tuple[str, dict[str, Any]] | None:
    """Return the name and the settings of a label, or None if the text is not a label."""
    match = _METHOD_LABEL.fullmatch(text)
    if match is None:
        return None
    settings: dict[str, Any] = {}
    for item in (match["settings"] or "").split(",") if match["settings"] else []:
        key, _, value = item.partition("=")
        try:
            settings[key.strip()] = json.loads(value)
        except json.JSONDecodeError:
            return None
    return match["name"], settings


def space_label(space: str) -> str:
    """Return the label of a space: its name or canonical text if that is short, else `darts(` and a digest `)`.

    Equal labels mean equal spaces, up to a collision of digests.
    """
    if len(space) <= _MOST_CHARACTERS:
        return space
    return f"{space.partition('(')[0]}({fingerprint(space)[:_DIGITS]})"
