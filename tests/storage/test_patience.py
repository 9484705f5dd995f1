"""Retries of failed writes: which errors are retried and for how long, with real errors of system and object store."""

from __future__ import annotations

import errno
import logging
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aca_ray.errors import StorageError
from aca_ray.storage import storage_path, write_bytes, write_json
from aca_ray.storage.patience import patiently

if TYPE_CHECKING:
    from conftest import ObjectStore


def failing(error: Exception, times: int) -> tuple[Callable[[], str], list[float]]:
    """Return a function that raises an error `times` times and then returns "written", and a list of its call times."""
    calls: list[float] = []

    def write() -> str:
        calls.append(time.monotonic())
        if len(calls) <= times:
            raise error
        return "written"

    return write, calls


def caused_by(cause: Exception | None) -> StorageError:
    error = StorageError("record.json: cannot be written")
    error.__cause__ = cause
    return error


def of_system(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    "error",
    [
        *(
            caused_by(of_system(number))
            for number in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EAGAIN)
        ),
        *(
            caused_by(of_system(number))
            for number in (errno.ENOTCONN, errno.EHOSTDOWN, errno.EROFS, errno.ECONNREFUSED, errno.ENOENT)
        ),
        caused_by(OSError("When completing multipart upload: AWS Error SLOW_DOWN")),  # without a number
        of_system(errno.EIO),
    ],
    ids=repr,
)
def test_temporary_errors_are_retried(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    write, calls = failing(error, times=1)
    with caplog.at_level(logging.WARNING):
        assert patiently(write, 30.0) == "written"
    assert len(calls) == 2
    assert calls[1] - calls[0] > 0.2
    (warning,) = [record.getMessage() for record in caplog.records]
    assert "30" in warning
    assert str(error) in warning


@pytest.mark.parametrize(
    "error",
    [
        *(caused_by(of_system(number)) for number in (errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.ENAMETOOLONG)),
        caused_by(ValueError("not a number")),
        caused_by(None),
        ValueError("not a number"),
    ],
    ids=repr,
)
def test_lasting_errors_fail_at_once(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    write, calls = failing(error, times=1)
    with pytest.raises(type(error)) as caught:
        patiently(write, 30.0)
    assert caught.value is error
    assert len(calls) == 1
    assert not caplog.records


def test_the_last_attempt_is_at_the_end_of_the_limit() -> None:
    error = caused_by(of_system(errno.EIO))
    write, calls = failing(error, times=1000)
    with pytest.raises(StorageError) as caught:
        patiently(write, 1.0)
    assert caught.value is error
    assert len(calls) == 4  # at once, after 0.25, 0.75 and 1 seconds
    assert 1.0 <= calls[-1] - calls[0] < 2.0


def test_a_file_in_place_of_a_folder_fails_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    start = time.monotonic()
    for path in (tmp_path / "file" / "record.json", tmp_path / "file" / "folder" / "record.json"):
        with pytest.raises(StorageError, match=r"record\.json: .*(File exists|Not a directory)"):
            patiently(lambda path=path: write_json(path, {}), 30.0)
    assert time.monotonic() - start < 1.0


def test_a_missing_bucket_fails_at_once(object_store: ObjectStore) -> None:
    path = storage_path(object_store.uri().replace("://", "://no-such-")) / "value.bin"
    calls: list[int] = []

    def write() -> None:
        calls.append(1)
        write_bytes(path, b"new")

    with pytest.raises(StorageError, match=r"no-such-.*value\.bin"):
        patiently(write, limit_seconds=2.0)
    assert len(calls) == 1
