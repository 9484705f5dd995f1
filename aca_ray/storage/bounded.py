"""Bounded reads of regular files: no content of a results folder makes a read hang or fill the memory.

Links to regular files are followed, since users link their results. Pipes, devices, sockets and folders are refused.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from aca_ray.errors import ConfigError, MalformedFileError, StorageError
from aca_ray.storage.objects import ObjectPath, StoragePath

# The largest small file is the channel plan of a network: about 10 MB at the limits on edges and channels.
SMALL_BYTES = 1 << 24
# A record grows by about 3 kB per epoch, so this is more than 20,000 epochs. A checkpoint's header contains a record.
RECORD_BYTES = 1 << 26

# Scores take about 10 bytes per channel of every genotype edge of every cell.
SCORES_BYTES = 1 << 28

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


def open_regular(path: Path) -> BinaryIO:
    """Return a stream of a regular file; never blocks on a pipe without a writer.

    Raises:
        OSError: the file is missing or can't be opened.
        MalformedFileError: it is not a regular file.
    """
    _require_regular(path, os.stat(path))  # before opening, which has side effects on some devices
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _require_regular(path, os.fstat(descriptor))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_bytes(path: StoragePath, most_bytes: int) -> bytes:
    """Return the content of a file or an object.

    Raises:
        StorageError: it is missing or can't be read.
        MalformedFileError: it is not a regular file, or is larger than `most_bytes`.
    """
    try:
        if isinstance(path, ObjectPath):
            return path.read_bytes(most_bytes)
        with open_regular(path) as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > most_bytes:
                raise MalformedFileError(f"{path}: must have at most {most_bytes:,} bytes, found {size:,}")
            return stream.read(size)  # files are replaced as a whole, so this one does not grow
    except OSError as error:
        raise StorageError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_text(path: StoragePath, most_bytes: int = SMALL_BYTES) -> str:
    """Return the UTF-8 text of a file or an object; see `read_bytes`."""
    try:
        return read_bytes(path, most_bytes).decode()
    except UnicodeDecodeError as error:
        raise MalformedFileError(f"{path}: must be UTF-8 text ({error})") from error


def read_json(path: StoragePath, most_bytes: int = SMALL_BYTES) -> Any:
    """Return the JSON value of a file or an object, nested at most 200 levels deep (parser limit); see `read_bytes`."""
    return _parse_json(read_bytes(path, most_bytes), path)


def read_json_object(path: StoragePath, most_bytes: int = SMALL_BYTES) -> dict[str, Any]:
    """Return the JSON object in a file or an object of a store; see `read_json`."""
    return parse_json_object(read_bytes(path, most_bytes), path)


def parse_json_object(text: bytes, path: StoragePath) -> dict[str, Any]:
    """Return the JSON object in a text; `path` is the file that contains it, for messages."""
    value = _parse_json(text, path)
    if not isinstance(value, dict):
        raise MalformedFileError(f"{path}: must be a JSON object, found {type(value).__name__}")
    return value


def json_value(text: bytes) -> Any:
    """Return the value of a JSON text; raise ValueError if it is invalid.

    Pydantic's parser is several times as fast as json, and refuses NaN, which this program never writes.
    """
    from pydantic_core import from_json  # the packages of the algorithms import this file, and run without pydantic

    return from_json(text, allow_inf_nan=False)


def _parse_json(text: bytes, path: StoragePath) -> Any:
    try:
        return json_value(text)
    except ValueError as error:
        raise MalformedFileError(f"{path}: is not valid JSON ({error})") from error


@contextmanager
def naming(path: StoragePath) -> Iterator[None]:
    """Turn a ConfigError about a file's value into a MalformedFileError that names the file."""
    try:
        yield
    except MalformedFileError:
        raise
    except ConfigError as error:
        raise MalformedFileError([f"{path}: {problem}" for problem in error.problems]) from error


def _require_regular(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = _KINDS.get(stat.S_IFMT(status.st_mode), "another kind of file")
        raise MalformedFileError(f"{path}: must be a regular file, found {kind}; move it away")
