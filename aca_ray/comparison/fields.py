"""Typed access to the fields of a JSON file, with errors that name the file and the field."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aca_ray.errors import ConfigError, shortened
from aca_ray.storage import StoragePath

_LARGEST = 1e100  # larger than any number that a trial measures in float32
_FIX = "the file is damaged or from another version: move its folder away and resume the sweep to recompute it"


@dataclass(frozen=True)
class Fields:
    """One JSON object of a file.

    Attributes:
        values: the object.
        file: the file.
        path: path of the object within the file; empty for the whole file.
    """

    values: Mapping[str, Any]
    file: StoragePath
    path: str = ""

    def problem(self, key: str, rule: str) -> ConfigError:
        """Return the error for a field that breaks a rule."""
        found = shortened(self.values[key]) if key in self.values else "nothing"
        return ConfigError(f"{self.file}: {self.path}{key} must be {rule}, found {found}; {_FIX}")

    def text(self, key: str) -> str:
        """Return a string field."""
        value = self.values.get(key)
        if not isinstance(value, str):
            raise self.problem(key, "a string")
        return value

    def optional_text(self, key: str) -> str | None:
        """Return a string field, or None if it is null or absent."""
        return None if self.values.get(key) is None else self.text(key)

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self.values.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not -_LARGEST <= value <= _LARGEST:
            raise self.problem(key, "a finite number")
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """Return a number, or None if it is null or absent."""
        return None if self.values.get(key) is None else self.number(key)

    def integer(self, key: str) -> int:
        """Return a whole number."""
        value = self.number(key)
        if value != int(value):
            raise self.problem(key, "a whole number")
        return int(value)

    def optional_integer(self, key: str) -> int | None:
        """Return a whole number, or None if it is null or absent."""
        return None if self.values.get(key) is None else self.integer(key)

    def section(self, key: str) -> Fields:
        """Return an object field."""
        value = self.values.get(key)
        if not isinstance(value, dict):
            raise self.problem(key, "an object")
        return Fields(value, self.file, f"{self.path}{key}.")

    def optional_section(self, key: str) -> Fields | None:
        """Return an object field, or None if it is null or absent."""
        return None if self.values.get(key) is None else self.section(key)

    def sections(self, key: str) -> tuple[Fields, ...]:
        """Return a field that is a list of objects."""
        value = self.values.get(key)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.problem(key, "a list of objects")
        return tuple(Fields(item, self.file, f"{self.path}{key}[{index}].") for index, item in enumerate(value))
