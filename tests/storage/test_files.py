"""Atomic writes of files: failing writers, killed writers, unusable folders."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.errors import StorageError
from aca_ray.storage import read_json, write_bytes, write_json
from aca_ray.storage.files import TEMPORARY_MARK, remove_leftovers, write_whole

# Writes 1 MB at a time, each followed by a message, until it is killed or has written 256 MB.
ENDLESS_WRITER = """
import sys
from pathlib import Path
from aca_ray.storage.files import write_whole

def write(temporary):
    with open(temporary, "wb") as stream:
        for _ in range(256):
            stream.write(b"n" * 1_000_000)
            stream.flush()
            print("chunk", flush=True)
            sys.stdin.readline()

write_whole(Path(sys.argv[1]), write)
"""


def test_writes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "value.bin"
    assert write_bytes(path, b"old") == path
    write_bytes(path, b"n", b"", b"ew")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_json_round_trip(tmp_path: Path) -> None:
    value = {"a": [1, 2.5, None, True, "ü"], "b": {}}
    assert read_json(write_json(tmp_path / "value.json", value)) == value


@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_non_finite_numbers_do_not_reach_the_file(tmp_path: Path, number: float) -> None:
    path = write_json(tmp_path / "value.json", 1)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, [number])
    assert read_json(path) == 1
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("error", [RuntimeError("no"), OSError(5, "Input/output error"), KeyboardInterrupt()])
def test_a_failing_writer_leaves_only_the_old_file(tmp_path: Path, error: BaseException) -> None:
    path = write_bytes(tmp_path / "value.bin", b"old")

    def write(temporary: Path) -> None:
        temporary.write_bytes(b"half of the n")
        raise error

    with pytest.raises(StorageError if isinstance(error, OSError) else type(error)):
        write_whole(path, write)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_writer_gets_the_suffix_of_the_file(tmp_path: Path) -> None:
    seen: list[Path] = []

    def write(temporary: Path) -> None:
        seen.append(temporary)
        temporary.write_bytes(b"x")

    write_whole(tmp_path / "plot.png", write)
    assert seen[0].suffix == ".png"
    assert seen[0].parent == tmp_path
    assert seen[0].name != "plot.png"


def test_a_killed_writer_leaves_the_old_file(
    tmp_path: Path, start_python: Callable[..., subprocess.Popen[str]]
) -> None:
    path = write_bytes(tmp_path / "value.bin", b"old")
    process = start_python(ENDLESS_WRITER, path)
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline() == "chunk\n"
        process.stdin.write("\n")
        process.stdin.flush()
    assert process.stdout.readline() == "chunk\n"
    process.kill()
    process.wait()
    assert path.read_bytes() == b"old"
    (leftover,) = set(tmp_path.iterdir()) - {path}
    assert TEMPORARY_MARK in leftover.name
    assert leftover.stat().st_size == 4_000_000  # killed in the middle of the write
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_created(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/value\.json: .*folder.*resume"):
        write_json(tmp_path / "file" / "value.json", 1)


def test_missing_and_malformed_json(tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    with pytest.raises(StorageError, match=r"value\.json: .*No such file"):
        read_json(path)
    for content in (b"", b'{"a": 1', b"\xff\xfe\x00"):
        path.write_bytes(content)
        with pytest.raises(StorageError, match=r"value\.json: .*JSON"):
            read_json(path)
