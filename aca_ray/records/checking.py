"""Type checks of JSON values, with one sentence per problem: place, rule, value found."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from aca_ray.errors import MalformedFileError, shortened

# Strict: types are not converted, and numbers must be finite.
OPEN = ConfigDict(strict=True, allow_inf_nan=False, extra="allow")
CLOSED = ConfigDict(strict=True, allow_inf_nan=False, extra="forbid")

MOST_COUNTED = 2**53  # the largest integer that every JSON reader represents exactly
MOST_SECONDS = 1e12  # 30,000 years
MOST_CHARACTERS = 1 << 20  # large, since the source of data in many files lists them all

Count = Annotated[int, Field(ge=0, le=MOST_COUNTED)]
Positive = Annotated[int, Field(ge=1, le=MOST_COUNTED)]
Seconds = Annotated[float, Field(ge=0, le=MOST_SECONDS)]
Share = Annotated[float, Field(ge=0, le=1)]
Text = Annotated[str, Field(max_length=MOST_CHARACTERS)]
Number = Annotated[float, Field(ge=-1e100, le=1e100)] | None  # far beyond float32; None: not measured

_MOST_PROBLEMS = 10
_MOST_COUNTED_PROBLEMS = 10_000  # listing more takes pydantic much time and memory


def check(types: TypeAdapter[Any], value: Any, place: str, fix: str) -> None:
    """Raise MalformedFileError unless a JSON value has the required types; the value is not changed.

    Args:
        types: required types and bounds.
        value: the JSON value.
        place: file that contains the value.
        fix: advice for the message.
    """
    try:
        types.validate_python(value)
    except ValidationError as error:
        raise MalformedFileError([f"{place}: {problem}; {fix}" for problem in _problems(error)]) from None


def _problems(error: ValidationError) -> list[str]:
    """Return a sentence for each of the first problems: the place in the value, the rule and the value found."""
    if error.error_count() > _MOST_COUNTED_PROBLEMS:
        return [f"{error.error_count()} values are wrong"]
    found = error.errors(include_url=False, include_context=False)
    sentences = []
    for problem in found[:_MOST_PROBLEMS]:
        place = _place(problem["loc"])
        if problem["type"] == "missing":
            sentences.append(f"{place} is missing")
        elif problem["type"] == "extra_forbidden":
            sentences.append(f"{place} is not known to this version of the program")
        else:
            rule = problem["msg"].replace("Input should be", "must be")
            sentences.append(f"{place} {rule[:1].lower()}{rule[1:]}, found {shortened(problem['input'])}")
    if len(found) > _MOST_PROBLEMS:
        sentences.append(f"{len(found) - _MOST_PROBLEMS} more values are wrong")
    return sentences


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        name = shortened(part) if isinstance(part, str) and not part.isidentifier() else part
        text += f"[{part}]" if isinstance(part, int) else f".{name}" if text else f"{name}"
    return text
