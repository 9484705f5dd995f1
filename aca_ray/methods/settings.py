"""Optional settings of a method, for research on the method.

The module of a method with settings defines, besides METHOD, a function `build`. Its keyword-only parameters are the
settings, their defaults the paper's values, and their annotations carry the bounds. A label such as
`beta_darts(scale=0.25)` names a method with chosen settings, wherever a method's name is accepted.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from aca_ray.errors import unknown_name


@dataclass(frozen=True)
class Bounds:
    """The closed interval of a setting's values."""

    low: float
    high: float


@dataclass(frozen=True)
class Setting:
    """A setting: the type of its values (int or float), its default and its bounds."""

    type: type[int] | type[float]
    default: float
    bounds: Bounds

    def problem(self, value: Any) -> str | None:
        """Return what is wrong with a value, None if nothing is."""
        fits_type = not isinstance(value, bool) and isinstance(value, int if self.type is int else int | float)
        if fits_type and self.bounds.low <= value <= self.bounds.high:
            return None
        kind = "an integer" if self.type is int else "a number"
        return (
            f"must be {kind} from {self.bounds.low:g} to {self.bounds.high:g}, found {value!r}; "
            f"leave it out for the paper's {self.default:g}"
        )


def settings_of(build: Callable[..., Any]) -> dict[str, Setting]:
    """Return the settings that a `build` function takes, by name."""
    hints = get_type_hints(build, include_extras=True)
    return {
        name: Setting(hints[name].__origin__, parameter.default, hints[name].__metadata__[0])
        for name, parameter in inspect.signature(build).parameters.items()
    }


def setting_problems(known: Mapping[str, Setting], chosen: Mapping[str, Any], place: str) -> list[str]:
    """Return every problem of chosen settings, each with its place."""
    problems = []
    for name, value in chosen.items():
        if name not in known:
            problems.append(unknown_name(f"{place}.{name}", "setting", name, known))
        elif (problem := known[name].problem(value)) is not None:
            problems.append(f"{place}.{name}: {problem}")
    return problems


def canonical_settings(known: Mapping[str, Setting], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return valid settings such that equal methods get equal labels: without defaults, whole numbers as integers."""
    changed = {name: value for name, value in chosen.items() if value != known[name].default}
    return {name: int(value) if value == int(value) else value for name, value in changed.items()}
