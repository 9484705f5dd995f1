"""The fields of a spec in words, read from its schema: for the reference and for a new spec."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic import BaseModel


@dataclass(frozen=True)
class SpecField:
    """A key of a section of a spec.

    Attributes:
        key: the key.
        values: what its value may be, in words; empty for a section.
        default: JSON value; None also for a required key or a section.
        is_required: whether the key must be given.
        meaning: a sentence or more.
        section: the keys of a section, else None.
        parts: the sections that a value may be besides others; empty for a section.
    """

    key: str
    values: str
    default: Any
    is_required: bool
    meaning: str
    section: type[BaseModel] | None
    parts: tuple[type[BaseModel], ...]


def fields_of(model: type[BaseModel]) -> Iterator[SpecField]:
    """Yield the fields of a section of a spec, in order."""
    schema = model.model_json_schema()
    required = schema.get("required", ())
    for key, value in schema["properties"].items():
        field = model.model_fields[key]
        section = next(sections_in(field.annotation)) if "$ref" in value else None
        yield SpecField(
            key,
            values="" if section else _values(value),
            default=None if section or key in required else value["default"],
            is_required=key in required,
            meaning=" ".join((field.description or "").split()),
            section=section,
            parts=() if section else tuple(sections_in(field.annotation)),
        )


def sections_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models in an annotation, such as that of `Annotated[Model, ...] | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from sections_in(part)


def yaml_of(value: Any) -> str:
    """Return a default as YAML on one line."""
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return str(value) if value != "" else '""'


def _values(schema: Mapping[str, Any]) -> str:
    """Return in words what a value may be."""
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(dict.fromkeys(_values(option) for option in schema.get("anyOf") or schema["oneOf"]))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    kind = schema.get("type")
    if kind == "array":
        return f"{_values(schema['items'])}, or a list"
    if kind in {"integer", "number"}:
        low = schema.get("minimum")
        high = schema["exclusiveMaximum"] - 1 if "exclusiveMaximum" in schema else schema.get("maximum")
        return f"{kind}{'' if low is None else f' from {low:,}'}{'' if high is None else f' to {high:,}'}"
    if kind is None:
        return str(schema.get("description", "mapping"))
    return {"string": "text", "boolean": "`true` or `false`", "null": "`null`"}[kind]
