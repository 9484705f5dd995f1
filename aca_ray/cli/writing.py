"""init: write a new spec."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from aca_ray.cli.options import Verbs
from aca_ray.errors import ConfigError, StorageError


def add_init(verbs: Verbs) -> None:
    """Add the verb."""
    init = verbs.add_parser("init", help="write a new spec, with the meaning and default of every key")
    init.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path("sweep.yaml"), help="new file (default: sweep.yaml)"
    )
    init.set_defaults(verb=_init)


def _init(options: argparse.Namespace) -> int:
    from aca_ray.config.new_spec import new_spec

    path: Path = options.path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError as error:
        raise ConfigError(f"{path}: must be a new file, found an existing one; give another path") from error
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = getattr(error, "strerror", None) or error
        raise StorageError(f"{path}: cannot be written ({reason}); give another path") from error
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(new_spec(path.stem))
    print(f"{path}: written. To validate it: aca-ray check {path}")
    return 0
