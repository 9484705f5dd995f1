"""Schema names and versions in JSON values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aca_ray.errors import ConfigError, shortened


def require_schema(value: Any, place: str, schema: str, version: int) -> None:
    """Raise ConfigError unless a value is a JSON object with this schema and version."""
    if not isinstance(value, Mapping):
        raise ConfigError(f"{place}: malformed JSON: must be an object, found {shortened(value)}")
    if value.get("schema") != schema or type(value.get("version")) is not int or value["version"] != version:
        raise ConfigError(
            f"{place}: needs schema {schema!r} version {version}, "
            f"found {shortened(value.get('schema'))} version {shortened(value.get('version'))}"
        )
