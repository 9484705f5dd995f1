"""Reads of paths that are not regular files, too large, or nested too deep: refused at once, with the file named."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.comparison import read_sweep
from aca_ray.errors import CheckpointError, ConfigError, MalformedFileError, StorageError
from aca_ray.records import SweepFolder, TrialRecord
from aca_ray.storage import read_checkpoint, read_header, read_json, read_json_object, read_text
from aca_ray.storage.bounded import SMALL_BYTES, naming, read_bytes
from aca_ray.trials.network_files import read_network


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


def link_to_device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def make_socket(path: Path) -> None:
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as listener:  # needs a short path
        listener.bind(f"{short}/s")
        os.rename(f"{short}/s", path)


NO_FILES = [make_pipe, link_to_device, make_socket, Path.mkdir]


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("read", [lambda path: read_bytes(path, 100), read_text, read_json, read_network])
@pytest.mark.timeout(20)
def test_only_regular_files_are_read(
    tmp_path: Path, make: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    make(path := tmp_path / "value.json")
    with pytest.raises(MalformedFileError, match=r"value\.json: .*regular file.*move it away"):
        read(path)


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.timeout(20)
def test_a_record_that_is_not_a_file_is_refused_at_once(tmp_path: Path, make: Callable[[Path], None]) -> None:
    folder = tmp_path / "sweep" / "searches" / "0123456789ab"
    folder.mkdir(parents=True)
    make(folder / "record.json")
    with pytest.raises(MalformedFileError, match=r"record\.json"):
        TrialRecord.read(folder)
    with pytest.raises(ConfigError, match=r"record\.json"):
        read_sweep(SweepFolder(tmp_path / "sweep"))


@pytest.mark.parametrize("make", NO_FILES)
@pytest.mark.parametrize("read", [read_header, read_checkpoint])
@pytest.mark.timeout(20)
def test_a_checkpoint_that_is_not_a_file(
    tmp_path: Path, make: Callable[[Path], None], read: Callable[[Path], object]
) -> None:
    make(path := tmp_path / "epoch_00001.ckpt")
    with pytest.raises(CheckpointError, match=r"epoch_00001\.ckpt"):
        read(path)


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "elsewhere.json").write_text('{"a": 1}')
    (tmp_path / "value.json").symlink_to("elsewhere.json")
    assert read_json(tmp_path / "value.json") == {"a": 1}


def test_a_link_to_itself(tmp_path: Path) -> None:
    (path := tmp_path / "value.json").symlink_to("value.json")
    with pytest.raises(StorageError, match=r"value\.json: .*symbolic links"):
        read_json(path)


def test_a_file_is_bounded_before_it_is_read(tmp_path: Path) -> None:
    (path := tmp_path / "value.json").write_bytes(b"1" * 100)
    assert read_bytes(path, 100) == b"1" * 100
    with pytest.raises(MalformedFileError, match=r"value\.json: .*\b99\b.*\b100\b"):
        read_bytes(path, 99)
    os.truncate(path, 1 << 40)  # a sparse file of a terabyte
    with pytest.raises(MalformedFileError, match=rf"value\.json: .*{SMALL_BYTES:,}"):
        read_json(path)


@pytest.mark.parametrize(
    "content",
    [b"[" * 1000 + b"]" * 1000, b'{"a":' * 500 + b"1" + b"}" * 500, b"[NaN]", b"9" * 5000, b'"\xff"', b"[1] 2", b""],
)
def test_invalid_json(tmp_path: Path, content: bytes) -> None:
    (path := tmp_path / "value.json").write_bytes(content)
    with pytest.raises(MalformedFileError, match=r"value\.json: .*JSON"):
        read_json(path)


def test_not_an_object_and_not_text(tmp_path: Path) -> None:
    (path := tmp_path / "value.json").write_bytes(b"[1]")
    with pytest.raises(MalformedFileError, match=r"value\.json: .*object.*list"):
        read_json_object(path)
    path.write_bytes(b"\xff")
    with pytest.raises(MalformedFileError, match=r"value\.json: .*UTF-8"):
        read_text(path)


def test_a_problem_of_a_value_names_its_file() -> None:
    with pytest.raises(MalformedFileError) as caught, naming(Path("a/b.json")):
        raise ConfigError(["one", "two"])
    assert caught.value.problems == ("a/b.json: one", "a/b.json: two")


def test_malformed_file_errors_are_config_errors_and_storage_errors() -> None:
    error = MalformedFileError("x.json: is wrong")
    assert isinstance(error, ConfigError)
    assert isinstance(error, StorageError)
    assert str(error) == "x.json: is wrong"


def test_the_error_of_an_invalid_network_names_its_file(tmp_path: Path) -> None:
    (tmp_path / "network.json").write_text('{"schema": "aca_ray.network", "version": 1, "genotype": {}, "plan": null}')
    with pytest.raises(MalformedFileError, match=r"network\.json: genotype: .*schema"):
        read_network(tmp_path / "network.json")
