"""init: write a new spec."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from aca_ray.cli.options import Verbs, storage_options
from aca_ray.errors import ConfigError, StorageError


def add_init(verbs: Verbs) -> None:
    """Add the verb."""
    init = verbs.add_parser(
        "init", parents=[storage_options()], help="write a new spec, with the meaning and default of every key"
    )
    init.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path("sweep.yaml"), help="new file (default: sweep.yaml)"
    )
    init.add_argument(
        "--from",
        dest="source",
        metavar="SPEC",
        help="take the values of a spec (YAML), or of the spec of a sweep, by its name; relative paths in it become "
        "relative to the new file",
    )
    init.set_defaults(verb=_init)


def _init(options: argparse.Namespace) -> int:
    from aca_ray.config.new_spec import new_spec

    path: Path = options.path
    text = new_spec(path.stem, None if options.source is None else _content(options))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError as error:
        raise ConfigError(f"{path}: must be a new file, found an existing one; give another path") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"{path}: cannot be written ({reason}); give another path") from error
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    print(f"{path}: written. To validate it: aca-ray check {path}")
    return 0


def _content(options: argparse.Namespace) -> dict[str, Any]:
    """Return the content of the spec to begin with, valid in the folder of the new one."""
    from aca_ray import api
    from aca_ray.config import SweepSpec, parse_spec
    from aca_ray.config.yaml_text import read_mapping, read_spec
    from aca_ray.sweep.vocabulary import vocabulary

    is_file = options.source.endswith((".yaml", ".yml")) or Path(options.source).is_file()
    text = read_spec(Path(options.source)) if is_file else api.find(options.source, options.storage).text
    parse_spec(text, vocabulary(options.path.parent), options.source)
    return read_mapping(text, SweepSpec.model_fields, options.source)
