"""Files and objects that are either there whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from aca_ray.errors import StorageError
from aca_ray.storage.objects import ObjectPath, StoragePath

TEMPORARY_MARK = ".part-"

Place = TypeVar("Place", Path, ObjectPath, StoragePath)


def write_whole(path: Place, write: Callable[[Path], object]) -> Place:
    """Have a file written under a temporary name, flush it to the disk, rename it into place, and return its path.

    An object is written as a temporary file of this machine first.

    Args:
        path: the file or object; its folder is made.
        write: writes the content to the path that it is given, which has the same suffix.

    Raises:
        StorageError: the disk is full or the folder can't be written; what stood at `path` before is untouched and the
            temporary file is gone.
    """
    if isinstance(path, ObjectPath):
        try:
            with TemporaryDirectory(prefix="aca_ray-") as folder:
                write(draft := Path(folder, path.name))
                path.write(draft.read_bytes())
        except OSError as error:
            raise _not_written(path, error) from error
        return path
    temporary = path.with_name(f"{path.stem}{TEMPORARY_MARK}{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        with open(temporary, "rb") as stream:
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be missing
            temporary.unlink(missing_ok=True)
    return path


def write_bytes(path: Place, *chunks: bytes) -> Place:
    """Write the chunks one after the other into a file or an object, as `write_whole` does."""
    if isinstance(path, ObjectPath):
        path.write(*chunks)
        return path

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)

    return write_whole(path, write)


def write_json(path: Place, value: Any, *, indent: int | None = 1) -> Place:
    """Write a JSON value as `write_bytes` does, on one line if `indent` is None; non-finite numbers are refused."""
    return write_bytes(path, json.dumps(value, indent=indent, allow_nan=False).encode())


def read_json(path: StoragePath) -> Any:
    """Return the JSON value of a file or an object.

    Raises:
        StorageError: the file is missing or no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise StorageError(f"{path}: is not valid JSON ({error})") from error


def remove_leftovers(folder: StoragePath) -> None:
    """Delete temporary files that a killed writer left in a folder."""
    for path in folder.glob(f"*{TEMPORARY_MARK}*"):
        path.unlink(missing_ok=True)


@contextlib.contextmanager
def local_copy(path: StoragePath) -> Iterator[Path]:
    """Yield a file of this machine with the content and the name of a file or object, for readers of local files."""
    if isinstance(path, ObjectPath):
        with TemporaryDirectory(prefix="aca_ray-") as folder:
            copy = Path(folder, path.name)
            copy.write_bytes(path.read_bytes())
            yield copy
    else:
        yield path


def _not_written(path: StoragePath, error: OSError) -> StorageError:
    return StorageError(f"{path}: cannot be written ({error.strerror or error}). {_advice(error)}")


def _advice(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "Free some space and resume the sweep; everything written before is intact."
    return "Check that the folder exists and that you may write to it, then resume the sweep."
