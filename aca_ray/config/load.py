"""Parsing of sweep specs from YAML; all problems of a text are reported together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

from aca_ray.config.problems import sentences
from aca_ray.config.schema import SweepSpec, Vocabulary
from aca_ray.config.yaml_text import read_mapping, read_spec
from aca_ray.errors import ConfigError


def load_spec(path: Path, vocabulary: Vocabulary) -> SweepSpec:
    """Return the spec in a YAML file.

    Raises:
        ConfigError: the file can't be read, or anything in it is wrong; lists all problems.
    """
    return parse_spec(read_spec(path), vocabulary, origin=str(path))


def parse_spec(text: str, vocabulary: Vocabulary, origin: str = "spec") -> SweepSpec:
    """Return the spec in a YAML text; see `load_spec`."""
    value = read_mapping(text, SweepSpec.model_fields, origin)
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
