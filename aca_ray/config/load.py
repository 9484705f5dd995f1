"""Parsing of sweep specs from YAML; all problems of a text are reported together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from aca_ray.config.fields import sections_in
from aca_ray.config.schema import PLACE, ProblemError, SweepSpec, Vocabulary
from aca_ray.config.yaml_text import read_yaml
from aca_ray.errors import ConfigError, unknown_name

_SHOWN = 200  # characters of a wrong value


def load_spec(path: Path, vocabulary: Vocabulary) -> SweepSpec:
    """Return the spec in a YAML file.

    Raises:
        ConfigError: the file can't be read, or anything in it is wrong; lists all problems.
    """
    return parse_spec(read_spec(path), vocabulary, origin=str(path))


def read_spec(path: Path) -> str:
    """Return the text of a spec, which is UTF-8 in every locale.

    Raises:
        ConfigError: the file can't be read.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{path}: cannot be read ({reason}); give the path of a sweep spec (YAML)") from error


def parse_spec(text: str, vocabulary: Vocabulary, origin: str = "spec") -> SweepSpec:
    """Return the spec in a YAML text; see `load_spec`."""
    try:
        value = read_yaml(text)
    except ConfigError as error:
        raise ConfigError(f"{origin}: {problem}" for problem in error.problems) from error
    if not isinstance(value, dict):
        raise ConfigError(f"{origin}: must be a mapping with the keys {', '.join(SweepSpec.model_fields)}")
    try:
        return SweepSpec.model_validate(value, context=vocabulary)
    except ValidationError as error:
        raise ConfigError(_sentences(error)) from error


def spec_from_json(value: Any) -> SweepSpec:
    """Return the spec in a JSON value that this program wrote; names are not checked against a vocabulary.

    Raises:
        ConfigError: anything in it is wrong; lists all problems.
    """
    try:
        return SweepSpec.model_validate(value)
    except ValidationError as error:
        raise ConfigError(_sentences(error)) from error


def _sentences(error: ValidationError) -> list[str]:
    sentences: list[str] = []
    for problem in error.errors():
        location = tuple(part for part in problem["loc"] if not str(part).startswith(PLACE))  # without tags
        place = _place(location)
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, ProblemError):
            sentences += [sentence.replace(PLACE, place) for sentence in cause.sentences]
        elif problem["type"] == "extra_forbidden":
            model = _model_at(location[:-1])
            sentences.append(unknown_name(place, "key", location[-1], model.model_fields))
        elif problem["type"] == "missing":
            sentences.append(f"{place}: is required and missing")
        else:
            sentences.append(f"{place}: {_lower_first(problem['msg'])}, found {_shown(problem['input'])}")
    return sentences


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}... ({len(text):,} characters)"


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = SweepSpec
    for part in location:
        model = next(sections_in(model.model_fields[str(part)].annotation))
    return model


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
