"""The problems of a spec, as sentences that begin with their place."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, ValidationError

from aca_ray.config.fields import sections_in
from aca_ray.errors import unknown_name

PLACE = "\0"  # placeholder for the place in a sentence, which `sentences` fills in
_SHOWN = 200  # characters of a wrong value
_MOST_LISTED = 12  # numbers of a range

# What a value must be, by pydantic's type of the problem; braces name its context.
_RULES = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "greater_than_equal": "must be at least {ge}",
    "int_type": "must be an integer",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be {expected}",
    "string_type": "must be text",
}
_NO_SECTION = {"dict_type", "model_attributes_type", "model_type"}


class ProblemError(ValueError):
    """Sentences about a value, each with its place relative to the value."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences
        super().__init__("; ".join(sentences))


def sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """Return a sentence per problem of a value that was validated against a model, each with its place."""
    found: list[str] = []
    for problem in error.errors():
        location = tuple(part for part in problem["loc"] if not str(part).startswith(PLACE))  # without tags
        place = _place(location)
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, ProblemError):
            found += [sentence.replace(PLACE, place) for sentence in cause.sentences]
        elif problem["type"] == "extra_forbidden":
            found.append(unknown_name(place, "key", location[-1], _model_at(location[:-1], model).model_fields))
        elif problem["type"] == "missing":
            found.append(f"{place}: is required and missing")
        else:
            rule = _lower_first(problem["msg"])
            if problem["type"] in _RULES:
                rule = _RULES[problem["type"]].format_map(problem.get("ctx", {}))
            elif problem["type"] in _NO_SECTION:
                rule = f"must be a mapping with the keys {', '.join(_model_at(location, model).model_fields)}"
            found.append(f"{place}: {rule}, found {_shown(problem['input'])}{_fix(problem['type'], problem['input'])}")
    return found


def _fix(kind: str, value: Any) -> str:
    """Return the sentence that says how to write a value that is a common mistake; empty for others."""
    if kind == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return f". Write '{_shown(value)}', in quotes"
    if kind != "int_type" or not isinstance(value, str):
        return ""
    if re.fullmatch(r"[0-9]{1,10}", value):
        return f". Write {int(value)}, without quotes"
    bounds = re.fullmatch(r"\s*([0-9]{1,10})\s*(?:-|:|\.\.+|to)\s*([0-9]{1,10})\s*", value)
    if bounds is None:
        return ""
    first, last = map(int, bounds.groups())
    if first <= last < first + _MOST_LISTED:
        return f". Write the list {list(range(first, last + 1))}"
    return ". Write a list with all of its numbers"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _model_at(location: tuple[int | str, ...], model: type[BaseModel]) -> type[BaseModel]:
    for part in location:
        model = next(sections_in(model.model_fields[str(part)].annotation))
    return model


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
