"""Frozen values from JSON and back, checked, with one sentence per problem: place, rule, value found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import ConfigDict, Field, PlainSerializer, PlainValidator, TypeAdapter, ValidationError
from pydantic_core import ErrorDetails, from_json, to_json

from aca_ray.errors import ConfigError, MalformedFileError, shortened
from aca_ray.space import Genotype

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
Fingerprint = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]

_MOST_PROBLEMS = 10
_MOST_COUNTED_PROBLEMS = 10_000  # listing more takes pydantic much time and memory
_Value = TypeVar("_Value", bound="Checked")


class Checked:
    """Base of the frozen dataclasses of a file; their nested dataclasses inherit the strictness."""

    __pydantic_config__: ClassVar[ConfigDict] = CLOSED

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value."""
        value: dict[str, Any] = self.adapter().dump_python(self)
        return value

    @classmethod
    @cache
    def adapter(cls) -> TypeAdapter[Any]:
        """Return pydantic's reader and writer of the type."""
        return TypeAdapter(cls)


def parse(kind: type[_Value], text: bytes, place: str, fix: str) -> _Value:
    """Return the value in a JSON text.

    Args:
        kind: frozen dataclass of the value.
        text: the JSON.
        place: file that contains the value.
        fix: advice for the message.

    Raises:
        MalformedFileError: a field is missing, unknown, of the wrong type or out of bounds.
    """
    with _naming_problems(place, fix):
        value: _Value = kind.adapter().validate_json(text)
        return value


def check(types: TypeAdapter[Any], value: Any, place: str, fix: str) -> None:
    """Raise MalformedFileError unless a JSON value has the required types; see `parse`."""
    with _naming_problems(place, fix):
        types.validate_python(value)


@contextmanager
def _naming_problems(place: str, fix: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise MalformedFileError([f"{place}: {problem}; {fix}" for problem in _problems(error)]) from None


def _problems(error: ValidationError) -> list[str]:
    """Return a sentence for each of the first problems: the place in the value, the rule and the value found."""
    if error.error_count() > _MOST_COUNTED_PROBLEMS:
        return [f"{error.error_count()} values are wrong"]
    found = error.errors(include_url=False, include_context=False)
    sentences = [f"{_place(problem['loc'])} {_rule(problem)}".lstrip() for problem in found[:_MOST_PROBLEMS]]
    if len(found) > _MOST_PROBLEMS:
        sentences.append(f"{len(found) - _MOST_PROBLEMS} more values are wrong")
    return sentences


def _rule(problem: ErrorDetails) -> str:
    """Return the rule that a value breaks, and the value."""
    match problem["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden" | "unexpected_keyword_argument":
            return "is not known to this version of the program"
        case "value_error":
            return problem["msg"].removeprefix("Value error, ")
        case "json_invalid":
            return f"is not valid JSON ({problem['msg'].removeprefix('Invalid JSON: ')})"
        case "dataclass_type":
            return f"must be an object, found {shortened(problem['input'])}"
    rule = problem["msg"].replace("Input should be", "must be")
    return f"{rule[:1].lower()}{rule[1:]}, found {shortened(problem['input'])}"


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        name = shortened(part) if isinstance(part, str) and not part.isidentifier() else part
        text += f"[{part}]" if isinstance(part, int) else f".{name}" if text else f"{name}"
    return text


@lru_cache(maxsize=256)  # most epochs derive the genotype of the epoch before
def _parsed(genotype: bytes) -> Genotype:
    try:
        return Genotype.from_json(from_json(genotype))
    except ConfigError as error:
        raise ValueError(f"must be a genotype ({error})") from error


def _genotype(value: Any) -> Genotype:
    return _parsed(to_json(value))


RecordedGenotype = Annotated[Genotype, PlainValidator(_genotype), PlainSerializer(Genotype.to_json)]
