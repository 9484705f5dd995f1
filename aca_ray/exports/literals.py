"""Texts of constants in a Python file of at most `WIDTH` columns."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH = 88


def for_docstring(text: str) -> str:
    """Return a text that can stand in a docstring."""
    return text.replace("\\", "/").replace('"', "'")


def constant(name: str, value: Any) -> str:
    """Return an assignment in lines of at most WIDTH columns."""
    if isinstance(value, list):
        return f"{name} = {_tuple(value)}"
    literal = _literal(value)
    if len(name) + len(literal) + 3 <= WIDTH:
        return f"{name} = {literal}"
    pieces = (value[start : start + WIDTH - 20] for start in range(0, len(value), WIDTH - 20))
    return "\n".join([f"{name} = (", *(f"    {_literal(piece)}" for piece in pieces), ")"])


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def kept_constant(kept: Mapping[tuple[int, int], tuple[int, ...]]) -> str:
    """Return the assignment of the channels that operations keep, by stage and edge."""
    return "\n".join(["KEPT = {", *(f"    {place}: {_tuple(kept[place], margin='    ')}," for place in kept), "}"])


def _tuple(items: Sequence[Any], margin: str = "") -> str:
    """Return the text of a tuple, on one line if it is short; margin is the indentation of its first line."""
    literals = [f"{_literal(item)}," for item in items]
    text = " ".join(literals)
    if len(text) <= WIDTH - 30:
        return f"({text})" if len(items) == 1 else f"({text[:-1]})"
    lines: list[str] = []
    for literal in literals:
        if lines and len(lines[-1]) + 1 + len(literal) <= WIDTH:
            lines[-1] += f" {literal}"
        else:
            lines.append(f"{margin}    {literal}")
    return "\n".join(["(", *lines, f"{margin})"])
