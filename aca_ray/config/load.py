"""From YAML to a SweepSpec; every problem of the text is found before any is reported."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from aca_ray.config.schema import PLACE, ProblemError, SweepSpec, Vocabulary
from aca_ray.errors import ConfigError, unknown_name


class _UniqueKeyLoader(yaml.SafeLoader):
    """A safe loader that refuses a key given twice, which YAML would silently resolve to the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, Hashable):
                raise ConfigError(f"line {line}: a key must be a text, found {key!r}")
            if key in seen:
                raise ConfigError(f"line {line}: key {key!r} is given twice; keep one")
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_spec(path: Path, vocabulary: Vocabulary) -> SweepSpec:
    """Return the spec in a YAML file.

    Raises:
        ConfigError: the file can't be read, or anything in it is wrong; holds all problems.
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
        value = yaml.load(text, _UniqueKeyLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: such as a date without such a day
        raise ConfigError(f"{origin}: is not valid YAML: {' '.join(str(error).split())}") from error
    except ConfigError as error:
        raise ConfigError(f"{origin}: {error}") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{origin}: must be a mapping with the keys {', '.join(SweepSpec.model_fields)}")
    try:
        return SweepSpec.model_validate(value, context=vocabulary)
    except ValidationError as error:
        raise ConfigError(_sentences(error)) from error


def _sentences(error: ValidationError) -> list[str]:
    sentences: list[str] = []
    for problem in error.errors():
        place = _place(problem["loc"])
        cause = problem.get("ctx", {}).get("error")
        if isinstance(cause, ProblemError):
            sentences += [sentence.replace(PLACE, place) for sentence in cause.sentences]
        elif problem["type"] == "extra_forbidden":
            model = _model_at(problem["loc"][:-1])
            sentences.append(unknown_name(place, "key", problem["loc"][-1], model.model_fields))
        elif problem["type"] == "missing":
            sentences.append(f"{place}: is required and missing")
        else:
            sentences.append(f"{place}: {_lower_first(problem['msg'])}, found {problem['input']!r}")
    return sentences


def _place(location: tuple[int | str, ...]) -> str:
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _model_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    model: type[BaseModel] = SweepSpec
    for part in location:
        annotation = model.model_fields[str(part)].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, BaseModel)
        model = annotation
    return model


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:]
