"""Object stores: paths like local ones, atomic writes, temporary and lasting failures."""

from __future__ import annotations

import pickle
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from aca_ray.errors import ConfigError, MalformedFileError, StorageError
from aca_ray.records import SearchRecord, TrialRecord
from aca_ray.storage import (
    CheckpointFolder,
    ObjectPath,
    local_copy,
    objects,
    read_checkpoint,
    read_header,
    read_json,
    storage_path,
    write_bytes,
    write_checkpoint,
    write_json,
)
from aca_ray.storage.files import write_whole

if TYPE_CHECKING:
    from conftest import ObjectStore

LARGE = 25_000_000  # bytes that pyarrow sends in three parts


@pytest.fixture
def root(object_store: ObjectStore) -> ObjectPath:
    path = storage_path(object_store.uri())
    assert isinstance(path, ObjectPath)
    return path


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try every request once, without retries."""
    monkeypatch.setattr(objects, "_ATTEMPTS", 1)
    monkeypatch.setattr(objects, "RETRY_SECONDS", 0.0)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://bucket",
        "s3://bucket/results/small",
        "gs://bucket/results",
        "s3://bucket/results?endpoint_override=127.0.0.1:5000&scheme=http",
        "s3://bucket?region=eu-west-1",
    ],
)
def test_a_path_is_restored_from_its_uri(uri: str) -> None:
    path = storage_path(uri)
    assert str(path) == uri
    assert pickle.loads(pickle.dumps(path)) == path
    below = path / "a" / "b.c.txt"
    assert storage_path(str(below)) == below
    assert hash(storage_path(str(below))) == hash(below)
    assert (below.name, below.stem, below.suffix) == ("b.c.txt", "b.c", ".txt")
    assert below.parent.parent == path
    assert path in below.parents
    assert path / "a/b.c.txt" == below
    assert below.with_name("d") == path / "a" / "d"
    assert sorted([path / "b", path / "a"]) == [path / "a", path / "b"]


def test_local_paths() -> None:
    assert storage_path("some/where") == Path("some/where")
    assert storage_path("~/here") == Path.home() / "here"


@pytest.mark.parametrize(
    ("uri", "problem"),
    [
        ("ftp://host/x", "s3://, gs://.*found ftp://"),
        ("s3://me:hidden@bucket/x", "credentials.*AWS_ACCESS_KEY_ID"),
        ("s3:///x", "s3://bucket/prefix.*found s3:///x"),
        ("s3://bucket/a b", "s3://bucket/prefix.*found s3://bucket/a b"),
        ("s3://bucket/x?secret_key=hidden", "secret_key.*endpoint_override, region"),
    ],
)
def test_uris_that_are_refused(uri: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        storage_path(uri)
    assert str(caught.value).startswith("storage: ")
    assert "hidden" not in str(caught.value)


def test_an_option_that_the_store_refuses() -> None:
    with pytest.raises(ConfigError, match=r"storage: s3://bucket\?scheme=ftp&region=a .*scheme 'ftp'"):
        storage_path("s3://bucket/x?scheme=ftp&region=a").exists()


def test_folders_and_files(root: ObjectPath) -> None:
    assert not root.exists()
    assert not root.is_dir()
    assert list(root.iterdir()) == list(root.glob("*")) == []
    root.mkdir(parents=True)
    for key in ("a/one.txt", "a/two.json", "b/one.txt"):
        write_bytes(root / key, key.encode())
    assert root.is_dir()
    assert (root / "a").exists()
    assert not (root / "a").is_file()
    assert (root / "a/one.txt").is_file()
    assert not (root / "a/one.txt").is_dir()
    assert sorted(root.iterdir()) == [root / "a", root / "b"]
    assert sorted(root.glob("*/one.txt")) == [root / "a/one.txt", root / "b/one.txt"]
    assert list(root.glob("a/*.json")) == [root / "a/two.json"]
    assert list(root.glob("none/*")) == []
    assert (root / "a/one.txt").read_text() == "a/one.txt"
    (root / "b/one.txt").unlink()
    assert not (root / "b/one.txt").exists()
    (root / "b/one.txt").unlink(missing_ok=True)
    with pytest.raises(FileNotFoundError):
        (root / "b/one.txt").unlink()


def test_an_object_that_is_replaced_during_a_read_is_read_as_a_whole(
    root: ObjectPath, object_store: ObjectStore
) -> None:
    path = root / "value.json"
    values = iter([[1] * 2, [1] * 200, [1] * 100])
    write_json(path, next(values))

    def replace(number: int) -> bool:
        if object_store.requests[-1][0] == "GET":
            object_store.disturb("503", lambda number: False)
            write_json(path, next(values))
            if not written:
                object_store.disturb("503", replace)
            written.append(True)
        return False

    written: list[bool] = []
    object_store.disturb("503", replace)
    assert read_json(path) == [1] * 100
    assert len(written) == 2


def test_missing_objects(root: ObjectPath) -> None:
    with pytest.raises(FileNotFoundError):
        (root / "none").read_bytes()
    with pytest.raises(StorageError, match=r"none\.json.*: .*Path does not exist"):
        read_json(root / "none.json")
    assert TrialRecord.read(root) is None


def test_a_missing_bucket_is_reported_at_once(object_store: ObjectStore) -> None:
    start = time.monotonic()
    path = storage_path(object_store.uri("x").replace(object_store.bucket, "no-such-bucket"))
    with pytest.raises(StorageError, match=r"no-such-bucket/x.*written .*NO_SUCH_BUCKET.*bucket exists"):
        write_bytes(path, b"x")
    assert time.monotonic() - start < 5


def test_a_record(root: ObjectPath, search_begun: SearchRecord) -> None:
    search_begun.write(root / "trial")
    assert TrialRecord.read(root / "trial") == search_begun


def test_writers_of_local_files(root: ObjectPath) -> None:
    seen: list[Path] = []

    def write(draft: Path) -> None:
        seen.append(draft)
        draft.write_bytes(b"drawn")

    assert write_whole(root / "plot.png", write) == root / "plot.png"
    assert seen[0].suffix == ".png"
    assert not seen[0].parent.exists()
    with local_copy(root / "plot.png") as copy:
        assert (copy.name, copy.read_bytes()) == ("plot.png", b"drawn")
    assert not copy.exists()


@pytest.mark.parametrize(
    "how", ["503", "lost", *(pytest.param(how, marks=pytest.mark.slow) for how in ("500", "drop"))]
)
def test_short_failures_are_hidden(root: ObjectPath, object_store: ObjectStore, how: str) -> None:
    content = b"n" * LARGE
    object_store.disturb(how, lambda number: number % 3 == 0)  # type: ignore[arg-type]
    write_bytes(root / "value.bin", content)
    assert (root / "value.bin").read_bytes() == content
    assert [path.name for path in root.iterdir()] == ["value.bin"]


def test_longer_failures_are_retried(
    root: ObjectPath, object_store: ObjectStore, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "RETRY_SECONDS", 20.0)
    end = time.monotonic() + 2
    object_store.disturb("503", lambda number: time.monotonic() < end)
    write_json(root / "value.json", 1)
    assert time.monotonic() > end
    assert read_json(root / "value.json") == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["503", "drop"])
@pytest.mark.parametrize("size", [5, pytest.param(LARGE, marks=pytest.mark.slow)])
def test_a_write_that_fails_at_any_request_leaves_the_old_object(
    root: ObjectPath, object_store: ObjectStore, how: str, size: int
) -> None:
    path = root / "value.bin"
    old, new = b"o" * 100, b"n" * size
    object_store.disturb("503", lambda number: False)
    write_bytes(path, new)
    num_requests = len(object_store.requests)
    assert num_requests == 3 + size // 10_000_000  # begin, parts, complete
    for failing in range(1, num_requests + 1):
        for lasts in (1, 1000):  # pyarrow may continue with the requests after a failed one
            object_store.disturb("503", lambda number: False)
            write_bytes(path, old)
            fails = range(failing, failing + lasts)
            object_store.disturb(how, lambda number, fails=fails: number in fails)  # type: ignore[arg-type]
            with pytest.raises(StorageError, match=r"value\.bin.*written .*resume"):
                write_bytes(path, new)
            object_store.disturb("503", lambda number: False)
            assert path.read_bytes() == old, (failing, lasts)


@pytest.mark.usefixtures("impatient")
def test_the_previous_checkpoint_is_intact(root: ObjectPath, object_store: ObjectStore) -> None:
    folder = CheckpointFolder(root / "checkpoints", "f" * 64)
    for epoch in (1, 2, 3):
        folder.write(epoch, 0, {}, {"weights": torch.full((100,), epoch)})
    assert sorted(path.name for path in (root / "checkpoints").glob("*.ckpt")) == [
        "epoch_00002_step_0000000.ckpt",
        "epoch_00003_step_0000000.ckpt",
    ]
    object_store.disturb("drop", lambda number: True)
    with pytest.raises(StorageError, match=r"epoch_00004_step_0000000\.ckpt.*written"):
        folder.write(4, 0, {}, {"weights": torch.zeros(100)})
    with pytest.raises(StorageError, match="listed"):  # it is not mistaken for a folder without checkpoints
        folder.newest()
    object_store.disturb("drop", lambda number: False)
    found = folder.newest()
    assert found is not None
    header, state = found
    assert header["epoch"] == 3
    assert torch.equal(state["weights"], torch.full((100,), 3))
    folder.clear()
    assert folder.is_empty


@pytest.mark.usefixtures("impatient")
def test_a_checkpoint_in_a_failing_store_does_not_count_as_damaged(root: ObjectPath, object_store: ObjectStore) -> None:
    path = root / "a.ckpt"
    write_checkpoint(path, {}, {"weights": torch.zeros(3)})
    object_store.disturb("503", lambda number: True)
    for read in (read_checkpoint, read_header):
        with pytest.raises(StorageError, match=r"a\.ckpt.*read"):
            read(path)


def test_a_header_is_read_without_its_payload(root: ObjectPath, object_store: ObjectStore) -> None:
    path = root / "a.ckpt"
    write_checkpoint(path, {"epoch": 3}, {"weights": torch.zeros(1_000_000)})
    object_store.requests.clear()
    assert read_header(path)["epoch"] == 3
    ranges = [
        asked.removeprefix("bytes=").split("-") for method, _, _, asked in object_store.requests if method == "GET"
    ]
    assert sum(int(last) - int(first) + 1 for first, last in ranges) < 10_000


def test_an_interrupted_write_is_completed(root: ObjectPath, object_store: ObjectStore) -> None:
    def interrupt(signum: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        for seconds in (0.2, 0.6, 1.0):  # during each of the three requests
            write_bytes(root / "value.bin", b"old")
            object_store.disturb("slow", lambda number: True)
            signal.setitimer(signal.ITIMER_REAL, seconds)
            with pytest.raises(KeyboardInterrupt):
                write_bytes(root / "value.bin", b"n", b"ew")
            object_store.disturb("slow", lambda number: False)
            assert (root / "value.bin").read_bytes() == b"new"
    finally:
        signal.signal(signal.SIGALRM, before)


def test_processes_share_no_connection(
    root: ObjectPath, start_python: Callable[..., object], object_store: ObjectStore
) -> None:
    script = (
        "import pickle, sys; path = pickle.loads(bytes.fromhex(sys.argv[1])); path.write(b'from there'); print('done')"
    )
    process = start_python(script, pickle.dumps(root / "value.bin").hex())
    assert process.stdout.readline() == "done\n"  # type: ignore[attr-defined]
    assert (root / "value.bin").read_bytes() == b"from there"


def test_an_object_is_bounded_before_it_is_read(root: ObjectPath) -> None:
    path = write_bytes(root / "value.json", b"1" * 100)
    assert path.read_bytes(100) == b"1" * 100
    with pytest.raises(MalformedFileError, match=r"value\.json.*\b99\b.*\b100\b"):
        path.read_bytes(99)


def test_a_damaged_record_in_a_store_is_named(root: ObjectPath) -> None:
    write_bytes(root / "trial" / "record.json", b'{"schema": "aca_ray.record", "version": 1, "kind": 7}')
    with pytest.raises(MalformedFileError, match=r"trial/record\.json.*: kind .*found 7"):
        TrialRecord.read(root / "trial")
