"""Files that are either there whole or not at all."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from aca_ray.errors import StorageError

TEMPORARY_MARK = ".part-"


def write_bytes(path: Path, *chunks: bytes) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it into place.

    Raises:
        StorageError: the disk is full or the folder can't be written; what stood at `path` before is untouched and the
            temporary file is gone.
    """
    temporary = path.with_name(f"{path.name}{TEMPORARY_MARK}{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written ({error.strerror}). {_advice(error)}") from error


def write_json(path: Path, value: Any) -> None:
    """Write a JSON value as `write_bytes` does; non-finite numbers are refused."""
    write_bytes(path, json.dumps(value, indent=1, allow_nan=False).encode())


def read_json(path: Path) -> Any:
    """Return the JSON value of a file.

    Raises:
        StorageError: the file is missing or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise StorageError(f"{path}: is not valid JSON ({error})") from error


def remove_leftovers(folder: Path) -> None:
    """Delete temporary files that a killed writer left in a folder."""
    for path in folder.glob(f"*{TEMPORARY_MARK}*"):
        path.unlink(missing_ok=True)


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space and resume the sweep; everything written before is intact."
    return "Check that the folder exists and that you may write to it, then resume the sweep."
