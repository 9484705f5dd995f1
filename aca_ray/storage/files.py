"""Atomic writes: a file or object is complete or missing, never partial."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from aca_ray.errors import StorageError
from aca_ray.storage.objects import ObjectPath, StoragePath

TEMPORARY_MARK = ".part-"
_TEMPORARY_NAME = re.compile(r"\.part-[0-9a-f]+(\.\w+)?$")

Place = TypeVar("Place", Path, ObjectPath, StoragePath)


def write_whole(path: Place, write: Callable[[Path], object]) -> Place:
    """Write a file under a temporary name, flush it to the disk, rename it into place, and return its path.

    Links are not followed: the temporary name is new and can't be guessed, and a link at `path` is replaced. An object
    is first written as a temporary file on this machine.

    Args:
        path: the file or object; its folder is created.
        write: writes the content to the path that it is called with, which has the same suffix.

    Raises:
        StorageError: the disk is full or the folder can't be written; the previous file at `path` is intact and the
            temporary file is deleted.
    """
    if isinstance(path, ObjectPath):
        try:
            with TemporaryDirectory(prefix="aca_ray-") as folder:
                write(draft := Path(folder, path.name))
                path.write(draft.read_bytes())
        except OSError as error:
            raise _not_written(path, error) from error
        return path
    temporary = path.with_name(f"{path.stem}{TEMPORARY_MARK}{secrets.token_hex(8)}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        try:
            with contextlib.suppress(OSError):  # a file system may not support locks
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # marks the file as being written
            write(temporary)
            os.fsync(descriptor)
            os.replace(temporary, path)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _not_written(path, error) from error
    finally:
        with contextlib.suppress(OSError):  # the folder may be missing
            temporary.unlink(missing_ok=True)
    return path


def write_bytes(path: Place, *chunks: bytes) -> Place:
    """Write concatenated chunks to a file or an object, atomically as `write_whole` does."""
    if isinstance(path, ObjectPath):
        path.write(*chunks)
        return path

    def write(temporary: Path) -> None:
        with open(temporary, "wb") as stream:
            for chunk in chunks:
                stream.write(chunk)

    return write_whole(path, write)


def write_json(path: Place, value: Any, *, indent: int | None = 1) -> Place:
    """Write a JSON value as `write_bytes` does, on one line if `indent` is None; non-finite numbers are refused.

    A lone surrogate, which stands for a byte of a file name that is not UTF-8, is written as U+FFFD, since readers of
    JSON refuse it.
    """
    return write_bytes(path, _LONE_SURROGATE.sub(_whole, json.dumps(value, indent=indent, allow_nan=False)).encode())


_LONE_SURROGATE = re.compile(r"\\u(?:d[89ab]..\\ud[c-f]..|(d[89a-f]..))|\\.")  # group 1; other escapes are skipped


def _whole(found: re.Match[str]) -> str:
    return found[0] if found[1] is None else r"\ufffd"


def remove_leftovers(folder: StoragePath) -> None:
    """Delete the temporary files that killed writers left in a folder; files being written stay."""
    for path in folder.glob(f"*{TEMPORARY_MARK}*"):
        if is_leftover(path):
            with contextlib.suppress(IsADirectoryError):
                path.unlink(missing_ok=True)


def is_leftover(path: StoragePath) -> bool:
    """Return whether a file is a temporary one that a killed writer left behind."""
    return _TEMPORARY_NAME.search(path.name) is not None and not (isinstance(path, Path) and _is_being_written(path))


def files_below(folder: StoragePath) -> Iterator[StoragePath]:
    """Yield the regular files or objects in a folder and its subfolders, sorted by name; links are not followed."""
    paths: list[StoragePath] = sorted(folder.iterdir())
    for path in paths:
        if isinstance(path, Path) and path.is_symlink():
            continue
        if path.is_dir():
            yield from files_below(path)
        elif path.is_file():
            yield path


def name_below(path: StoragePath, folder: StoragePath) -> str:
    """Return the path relative to a folder that contains it, with slashes."""
    if isinstance(path, ObjectPath) and isinstance(folder, ObjectPath):
        return str(path.key.relative_to(folder.key))
    return Path(str(path)).relative_to(str(folder)).as_posix()


def num_bytes(path: StoragePath) -> int:
    """Return the size of a file or an object."""
    return path.size() if isinstance(path, ObjectPath) else path.stat().st_size


def _is_being_written(path: Path) -> bool:
    """Return whether a writer holds the lock of a temporary file."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # a link, for example
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False


@contextlib.contextmanager
def local_copy(path: StoragePath) -> Iterator[Path]:
    """Yield a local file with the content and name of a file or object, for readers of local files."""
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
        return "Free some space and resume the sweep; earlier files are intact."
    return "Check that the folder exists and is writable, then resume the sweep."
