"""The problems of a spec, as sentences that begin with their place."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError

from aca_ray.config.fields import sections_in
from aca_ray.errors import unknown_name

PLACE = "\0"  # placeholder for the place in a sentence, which `sentences` fills in
_SHOWN = 200  # characters of a wrong value


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
            found.append(f"{place}: {_lower_first(problem['msg'])}, found {_shown(problem['input'])}")
    return found


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
