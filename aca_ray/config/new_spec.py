"""The text of a new spec: every key with its meaning and default, generated from the schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from aca_ray.config.fields import SpecField, fields_of, yaml_of
from aca_ray.config.schema import SweepSpec
from aca_ray.config.values import clean_name
from aca_ray.config.yaml_text import write_on_one_line

_WIDTH = 120
_NAME = "sweep"
# Keys that are given in a new spec, by place: what is required, and what makes it a sweep of minutes without a GPU.
_GIVEN: Mapping[str, str] = {
    "experiment.methods": "[darts]",
    "experiment.data": "digits",
    "experiment.seeds": "[0, 1, 2]",
    "experiment.epochs": "10",
    "experiment.network.channels": "8",
    "experiment.network.cells": "5",
    "experiment.retraining.protocol": "small",
}
_HEAD = (
    "The spec of a sweep. Keys behind a # have the value that is shown. `aca-ray check` validates this file, "
    "`aca-ray run` runs the sweep, and `aca-ray list KIND` shows the names that it can use: methods, spaces, data, "
    "rankers, rules, controls, protocols."
)


def new_spec(name: str, source: Mapping[str, Any] | None = None) -> str:
    """Return the text of a valid spec.

    Args:
        name: becomes the name of its sweep, without the characters it can't have.
        source: content of a valid spec whose values the new one takes, except the name; None for a sweep of minutes.
    """
    clean = clean_name(name) or _NAME
    given = _GIVEN if source is None else dict(_values_by_place(SweepSpec, "", source))
    lines = [*_comment(_HEAD, ""), *_section(SweepSpec, "", {**given, "name": clean}, active=True)]
    return "\n".join(lines) + "\n"


def _values_by_place(model: type[BaseModel], place: str, source: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the place of every value of a section, and the value as YAML on one line."""
    for field in fields_of(model):
        if field.key not in source:
            continue
        own, value = f"{place}.{field.key}" if place else field.key, source[field.key]
        parts = _parts(field)
        if parts and isinstance(value, Mapping) and value:
            for part in parts:
                yield from _values_by_place(part, own, value)
        else:
            yield own, write_on_one_line(value)


def _parts(field: SpecField) -> list[type[BaseModel]]:
    """Return the sections that a field may be."""
    return [field.section] if field.section else list(field.parts)


def _section(model: type[BaseModel], place: str, given: Mapping[str, str], active: bool) -> Iterator[str]:
    """Yield the lines of a section; if it is not active, all of its keys are comments."""
    depth = place.count(".") + 1 if place else 0
    indent = "  " * depth
    for field in fields_of(model):
        own = f"{place}.{field.key}" if place else field.key
        parts = _parts(field)
        is_given = active and any(key == own or key.startswith(f"{own}.") for key in given)
        mark = "" if is_given else "# "
        yield ""
        yield from _comment(field.meaning, indent)
        if not field.section:
            yield from _comment(_rule(field), indent)
        if not parts:
            yield f"{indent}{mark}{field.key}: {given[own] if is_given else _shown(field)}"
            continue
        if own in given and active:  # not as a section
            yield f"{indent}{field.key}: {given[own]}"
            mark, is_given = "# ", False
        elif not (field.section or is_given):
            yield f"{indent}# {field.key}: {_shown(field)}"
        yield f"{indent}{mark}{field.key}:"
        for part in parts:
            yield from _section(part, own, given, active=is_given)


def _rule(field: SpecField) -> str:
    """Return what the value may be, and what it is by default."""
    return f"{'Required' if field.is_required else f'Default: {yaml_of(field.default)}'}. Value: {field.values}."


def _shown(field: SpecField) -> str:
    return "..." if field.is_required else yaml_of(field.default)


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        text, _WIDTH, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ", break_on_hyphens=False
    )
