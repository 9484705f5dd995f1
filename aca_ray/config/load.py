"""Parsing of sweep specs from YAML; all problems of a text are reported together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aca_ray.config.problems import sentences
from aca_ray.config.schema import SweepSpec, Vocabulary
from aca_ray.config.yaml_text import read_yaml
from aca_ray.errors import ConfigError


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
        raise ConfigError(sentences(error, SweepSpec)) from error


def spec_from_json(value: Any) -> SweepSpec:
    """Return the spec in a JSON value that this program wrote; names are not checked against a vocabulary.

    Raises:
        ConfigError: anything in it is wrong; lists all problems.
    """
    try:
        return SweepSpec.model_validate(value)
    except ValidationError as error:
        raise ConfigError(sentences(error, SweepSpec)) from error
