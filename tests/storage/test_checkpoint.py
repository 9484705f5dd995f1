"""Checkpoints: verified before decoding, decoded without running code, and resumed from the newest valid one."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import pickle
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from aca_ray.errors import CheckpointError
from aca_ray.storage import CheckpointFolder, read_checkpoint, read_header, write_checkpoint

HEADER = {"kind": "search", "fingerprint": "a" * 64, "epoch": 3, "record": {"rows": [{"epoch": 1}], "note": "ü\n"}}
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b550000000a49444154789c6360000000020001"
)


def make_state() -> dict[str, Any]:
    return {
        "weights": torch.arange(12, dtype=torch.float32).reshape(3, 4) / 7,
        "counts": torch.tensor([1, 2, 3]),
        "half": torch.tensor([0.1, -0.0], dtype=torch.bfloat16),
        "optimizer": {"state": {0: {"step": torch.tensor(5.0)}}, "param_groups": [{"lr": 0.1, "betas": (0.5, 0.9)}]},
        "random": [3, [1, 2**31], None, True, "text"],
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "state.ckpt"
    write_checkpoint(path, HEADER, make_state())
    return path


def wrap(path: Path, payload: bytes, **changes: object) -> Path:
    """Write a checkpoint file with any payload, and a header that matches it except for the changes."""
    header = {
        "format": "aca_ray.checkpoint",
        "version": 3,
        "payload_bytes": len(payload),
        "payload_sha256": hashlib.sha256(payload).hexdigest(),
        "kind": "search",
        **changes,
    }
    header["header_sha256"] = hashlib.sha256(json.dumps(header, sort_keys=True).encode()).hexdigest()
    path.write_bytes(json.dumps(header).encode() + b"\n" + payload)
    return path


def saved(value: object, *, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def test_round_trip(path: Path) -> None:
    header, state = read_checkpoint(path)
    assert {name: header[name] for name in HEADER} == HEADER
    assert header == read_header(path)
    expected = make_state()
    assert state.keys() == expected.keys()
    for name in ("weights", "counts", "half"):
        assert state[name].dtype == expected[name].dtype
        assert torch.equal(state[name], expected[name])
    assert state["optimizer"]["param_groups"] == expected["optimizer"]["param_groups"]
    assert state["optimizer"]["state"][0]["step"] == 5.0
    assert state["random"] == expected["random"]


def test_the_file_has_the_documented_format(path: Path) -> None:
    line, _, payload = path.read_bytes().partition(b"\n")
    header = json.loads(line)
    assert (header["format"], header["version"]) == ("aca_ray.checkpoint", 3)
    assert header["payload_bytes"] == len(payload)
    assert header["payload_sha256"] == hashlib.sha256(payload).hexdigest()
    packed = torch.load(io.BytesIO(payload), weights_only=True)
    assert packed.keys() == {"tree", "buffers"}
    assert json.loads(packed["tree"])[0] == "dict"
    assert all(buffer.ndim == 1 for buffer in packed["buffers"].values())


def test_header_is_readable_without_torch(path: Path) -> None:
    script = (
        "import json, sys; from pathlib import Path; from aca_ray.storage import read_header\n"
        "header = read_header(Path(sys.argv[1])); assert 'torch' not in sys.modules; print(json.dumps(header))"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == read_header(path)


def test_header_is_readable_without_the_payload(path: Path) -> None:
    line = path.read_bytes().partition(b"\n")[0]
    path.write_bytes(line + b"\n")
    assert read_header(path)["epoch"] == 3


def test_truncated_at_any_length(path: Path) -> None:
    data = path.read_bytes()
    end = data.index(b"\n") + 1
    lengths = {*range(0, len(data), 61), end - 2, end - 1, end, end + 1, len(data) - 1}
    assert len(lengths) > 50
    for length in lengths:
        path.write_bytes(data[:length])
        with pytest.raises(CheckpointError, match=r"state\.ckpt: .*(truncated|not a checkpoint)"):
            read_checkpoint(path)
    path.write_bytes(data + b"\0")  # trailing bytes are refused too
    with pytest.raises(CheckpointError, match=rf"state\.ckpt: .*\b{len(data) - end}\b.*\b{len(data) - end + 1}\b"):
        read_checkpoint(path)


def test_one_flipped_byte_of_the_payload(path: Path) -> None:
    data = path.read_bytes()
    start = data.index(b"\n") + 1
    for position in {*range(start, len(data), 37), start, len(data) - 1}:
        flipped = bytearray(data)
        flipped[position] ^= 1
        path.write_bytes(flipped)
        with pytest.raises(CheckpointError, match=r"state\.ckpt: .*SHA-256.*Delete it"):
            read_checkpoint(path)


def test_one_flipped_bit_of_the_header_never_crashes(path: Path) -> None:
    data = path.read_bytes()
    num_refused = 0
    for position in range(data.index(b"\n") + 1):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 7
        path.write_bytes(flipped)
        try:
            read_checkpoint(path)
        except CheckpointError:
            num_refused += 1
    assert num_refused > 100


@pytest.mark.parametrize("version", [0, 2, "3", None])
def test_wrong_version(tmp_path: Path, version: object) -> None:
    path = wrap(tmp_path / "other.ckpt", saved({}), version=version)
    for read in (read_checkpoint, read_header):
        with pytest.raises(CheckpointError, match=rf"other\.ckpt: .*version 3, found version {version!r}$"):
            read(path)


@pytest.mark.parametrize(
    "content",
    [
        PNG,
        b"",
        b"\n",
        saved(make_state()),
        saved(make_state(), zipped=False),
        pickle.dumps({"format": "aca_ray.checkpoint"}),
        b'["aca_ray.checkpoint"]\n',
        b'{"format": "another.program", "version": 3}\n',
        b"[" * 100_000 + b"\n",
    ],
    ids=["png", "empty", "newline", "torch", "old torch", "pickle", "list", "other format", "deep"],
)
def test_foreign_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign.ckpt"
    path.write_bytes(content)
    for read in (read_checkpoint, read_header):
        with pytest.raises(CheckpointError, match=r"foreign\.ckpt: .*not a checkpoint.*aca_ray\.checkpoint"):
            read(path)


def test_altered_header(path: Path) -> None:
    content = path.read_bytes()
    assert b'"epoch": 3' in content
    path.write_bytes(content.replace(b'"epoch": 3', b'"epoch": 7', 1))
    for read in (read_checkpoint, read_header):
        with pytest.raises(CheckpointError, match=r"state\.ckpt: .*hash"):
            read(path)


@pytest.mark.parametrize("missing", ["payload_bytes", "payload_sha256"])
def test_header_without_length_or_hash(tmp_path: Path, missing: str) -> None:
    path = wrap(tmp_path / "odd.ckpt", saved({}), **{missing: None})
    with pytest.raises(CheckpointError, match=r"odd\.ckpt: .*length and hash"):
        read_checkpoint(path)


@pytest.mark.parametrize("read", [read_checkpoint, read_header])
def test_missing_file_and_folder(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(CheckpointError, match=r"none\.ckpt: .*No such file"):
        read(tmp_path / "none.ckpt")
    with pytest.raises(CheckpointError, match=f"^{tmp_path}: "):
        read(tmp_path)


class RunsCommand:
    """Unpickling it writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch '{self.marker}'",)


class RunsPython(RunsCommand):
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


class WritesFile(RunsCommand):
    def __reduce__(self) -> tuple[Any, ...]:
        return shutil.copyfile, (__file__, str(self.marker))


@pytest.mark.parametrize("attack", [RunsCommand, RunsPython, WritesFile])
@pytest.mark.parametrize(
    ("encode", "run"),
    [
        (saved, lambda payload: torch.load(io.BytesIO(payload), weights_only=False)),
        (
            lambda value: saved(value, zipped=False),
            lambda payload: torch.load(io.BytesIO(payload), weights_only=False),
        ),
        (pickle.dumps, pickle.loads),
    ],
    ids=["zip", "old format", "bare pickle"],
)
def test_code_in_a_checkpoint_is_never_run(
    tmp_path: Path, attack: type[RunsCommand], encode: Callable[[object], bytes], run: Callable[[bytes], object]
) -> None:
    marker = tmp_path / "marker"
    payload = encode({"network": {"weight": torch.ones(2)}, "random": [attack(marker)]})
    path = wrap(tmp_path / "evil.ckpt", payload)
    with pytest.raises(CheckpointError, match=r"evil\.ckpt: .*more than tensors.*run code"):
        read_checkpoint(path)
    assert not marker.exists()
    run(payload)  # the payload works: unpickling it runs the code
    assert marker.exists()


def test_payloads_that_torch_did_not_write(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("other/file", "x")
    whole = saved(make_state())
    payloads = [b"", b"text\n", b"\x80\x02.", archive.getvalue(), whole[:-40], bytes(300), pickle.dumps([1])]
    payloads += [payload[:cut] for payload in [pickle.dumps({"a": [1]}, protocol=2)] for cut in range(1, 20, 3)]
    for payload in payloads:
        with pytest.raises(CheckpointError, match=r"odd\.ckpt: .*more than tensors"):
            read_checkpoint(wrap(tmp_path / "odd.ckpt", payload))


@pytest.mark.parametrize("value", [[1, 2], torch.ones(2), None, "text"])
def test_payload_that_is_not_a_dict(tmp_path: Path, value: object) -> None:
    with pytest.raises(CheckpointError, match=r"odd\.ckpt: .*payload.*packed state"):
        read_checkpoint(wrap(tmp_path / "odd.ckpt", saved(value)))


@pytest.fixture
def folder(tmp_path: Path) -> CheckpointFolder:
    return CheckpointFolder(tmp_path / "checkpoints", "a" * 64)


def write_value(folder: CheckpointFolder, epoch: int, step: int = 0) -> Path:
    return folder.write(epoch, step, {"kind": "search"}, {"value": torch.tensor([epoch, step])})


def newest_value(folder: CheckpointFolder) -> list[int] | None:
    found = folder.newest()
    return None if found is None else found[1]["value"].tolist()


def test_empty_folder(folder: CheckpointFolder) -> None:
    assert folder.newest() is None
    folder.clear()
    assert not folder.folder.exists()


def test_the_two_newest_are_kept(folder: CheckpointFolder) -> None:
    paths = [write_value(folder, epoch, step) for epoch, step in ((0, 9), (0, 10), (1, 0), (9, 99), (10, 0), (100, 2))]
    assert sorted(folder.folder.iterdir()) == paths[-2:]
    assert newest_value(folder) == [100, 2]
    header = read_header(paths[-1])
    assert (header["epoch"], header["step"], header["fingerprint"]) == (100, 2, "a" * 64)
    folder.clear()
    assert list(folder.folder.iterdir()) == []


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped", "other version"])
def test_a_damaged_newest_checkpoint_is_skipped_with_a_warning(
    folder: CheckpointFolder, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    write_value(folder, 1)
    newest = write_value(folder, 2)
    data = newest.read_bytes()
    newest.write_bytes(
        {
            "truncated": data[:-10],
            "emptied": b"",
            "flipped": data[:-1] + bytes([data[-1] ^ 255]),
            "other version": data.replace(b'"version": 3', b'"version": 2', 1),
        }[damage]
    )
    with caplog.at_level(logging.WARNING):
        assert newest_value(folder) == [1, 0]
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert newest.name in caplog.text
    write_value(folder, 2)  # replaces the damaged one
    assert newest_value(folder) == [2, 0]


def test_all_damaged(folder: CheckpointFolder, caplog: pytest.LogCaptureFixture) -> None:
    for epoch in (1, 2):
        write_value(folder, epoch).write_bytes(b"damaged")
    with caplog.at_level(logging.WARNING):
        assert folder.newest() is None
    assert len(caplog.records) == 2


def test_another_trial_is_refused(folder: CheckpointFolder) -> None:
    path = write_value(folder, 1)
    other = CheckpointFolder(folder.folder, "b" * 64)
    with pytest.raises(CheckpointError, match=f"^{folder.folder}: .*trial {'b' * 64}, found .*trial {'a' * 64}"):
        other.newest()
    assert path.exists()


def test_leftovers_of_killed_writers_are_removed_and_never_read(folder: CheckpointFolder) -> None:
    path = write_value(folder, 1)
    leftover = path.with_name("epoch_00002_step_0000000.part-12345.ckpt")
    leftover.write_bytes(path.read_bytes())
    assert newest_value(folder) == [1, 0]
    assert list(folder.folder.iterdir()) == [path]
