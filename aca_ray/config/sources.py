"""What a spec may be given as: the path of a file, a mapping, or a SweepSpec."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aca_ray.config.plain import plain
from aca_ray.config.problems import ProblemError
from aca_ray.config.schema import SweepSpec
from aca_ray.config.yaml_text import read_spec, write_yaml
from aca_ray.errors import ConfigError, shortened

SpecSource = Path | str | Mapping[str, Any] | SweepSpec


@dataclass(frozen=True)
class GivenSpec:
    """The text of a spec.

    Attributes:
        text: YAML, as the author of a file wrote it, or as written for a mapping or a SweepSpec.
        base: folder that relative data paths are relative to: that of the file, or the working directory.
        file_name: name of the file in `base`, or of the file that the spec would be.
        origin: place of the text, for messages.
    """

    text: str
    base: Path
    file_name: str = "spec.yaml"
    origin: str = "spec"


def given_spec(spec: SpecSource) -> GivenSpec:
    """Return the text of a spec.

    Raises:
        ConfigError: the file can't be read, or the value is none of what a spec may be given as.
    """
    if isinstance(spec, SweepSpec):
        return GivenSpec(spec.to_yaml(), Path.cwd())
    if isinstance(spec, Mapping):
        try:
            return GivenSpec(write_yaml(plain(spec, "spec")), Path.cwd())
        except ProblemError as error:
            raise ConfigError(error.sentences) from None
    if isinstance(spec, str | os.PathLike):
        path = Path(spec)
        return GivenSpec(read_spec(path), path.parent, path.name, str(path))
    raise ConfigError(f"spec: must be a path, a mapping or a SweepSpec, found {shortened(spec)}")
