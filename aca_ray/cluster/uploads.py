"""The size of the folders that a job uploads, measured as Ray packs them and before anything is sent."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ray._private import ray_constants
from ray._private.runtime_env import packaging

from aca_ray.errors import ConfigError

MOST_BYTES = 100 * 1024 * 1024  # of a package, the limit of Ray's job server
_ENTRY_BYTES = 100  # of the archive, for each file besides its name (twice) and content
_MOST_NAMED = 3

logger = logging.getLogger(__name__)


def require_small(folder: Path, excludes: Sequence[str], what: str) -> None:
    """Raise ConfigError if a folder is too large for Ray's job server.

    Args:
        folder: the folder, whose `.gitignore` and `.rayignore` files count.
        excludes: patterns of what else is left out, besides what Ray leaves out of every working directory.
        what: what the folder is, for the message.

    Raises:
        ConfigError: the folder is too large, or can't be read.
    """
    try:
        sizes = _packed_bytes(folder, [*ray_constants.get_runtime_env_default_excludes(), *excludes])
    except OSError as error:
        raise ConfigError(
            f"{error.filename or folder}: cannot be read ({error.strerror}), but {what} is uploaded with the job; "
            "correct its permissions, or name it in .gitignore"
        ) from error
    total = sizes.total()
    if total > MOST_BYTES:
        largest = ", ".join(f"{name} ({_mebibytes(size)})" for name, size in sizes.most_common(_MOST_NAMED))
        raise ConfigError(
            f"{folder}: is {what}, which is uploaded with the job, and must have at most {_mebibytes(MOST_BYTES)}, the "
            f"limit of Ray; found {_mebibytes(total)}, most of it in {largest}. Name large files in its .gitignore or "
            ".rayignore, or move them to a folder that all nodes mount and give absolute paths"
        )


def _packed_bytes(folder: Path, excludes: list[str]) -> Counter[str]:
    """Return the bytes that the archive of a folder takes, by the names directly in the folder."""
    sizes: Counter[str] = Counter()

    def count(path: Path) -> None:
        if path.is_file():
            name = path.relative_to(folder)
            sizes[name.parts[0]] += path.stat().st_size + 2 * len(os.fsencode(name)) + _ENTRY_BYTES

    packaging._dir_travel(
        folder,
        [packaging._get_excludes(folder, excludes)],
        count,
        include_gitignore=os.environ.get(ray_constants.RAY_RUNTIME_ENV_IGNORE_GITIGNORE, "0") != "1",
        logger=logger,
    )
    return sizes


def _mebibytes(size: int) -> str:
    return f"{size / 1024**2:,.1f} MiB"
