"""Specs as people write them: what differs from the defaults, one item without a list, a name without a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from aca_ray.space.plugged import PluginFacts


def as_written(model: BaseModel) -> dict[str, Any]:
    """Return the fields of a spec, or of a part of one, that differ from their defaults; reading them gives it back."""
    fields = ((name, field.default, getattr(model, name)) for name, field in type(model).model_fields.items())
    return {name: _written(value) for name, default, value in fields if value != default}


def _written(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return as_written(value)
    if isinstance(value, PluginFacts):
        return value.name
    if isinstance(value, tuple):
        items = [_written(item) for item in value]
        return items[0] if len(items) == 1 else items
    if isinstance(value, Mapping):
        return value["name"] if value.keys() == {"name"} else dict(value)
    return value
