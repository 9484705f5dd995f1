"""The lease of an object store: one holder, taken over from a dead one, given up by one that was frozen."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from aca_ray.storage import ObjectPath, lock, objects, storage_path
from aca_ray.storage.lock import exclusive, is_held

pytestmark = pytest.mark.timeout(60)

if TYPE_CHECKING:
    from conftest import ObjectStore

HOLDER = """
import signal, sys
from aca_ray.storage import lock, storage_path
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore SIGINT in background processes
lock.RENEW_SECONDS, lock.LOOK_SECONDS = 1.0, 0.1
try:
    with lock.exclusive(storage_path(sys.argv[1]), wait=False) as free:
        print(free, flush=True)
        sys.stdin.readline()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "RENEW_SECONDS", 0.2)
    monkeypatch.setattr(lock, "LOOK_SECONDS", 0.1)


@pytest.fixture
def path(object_store: ObjectStore) -> ObjectPath:
    made = storage_path(object_store.uri("small/lock"))
    assert isinstance(made, ObjectPath)
    return made


@pytest.fixture
def holder(path: ObjectPath, start_python: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    process = start_python(HOLDER, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_a_free_lease(path: ObjectPath) -> None:
    assert not is_held(path)
    with exclusive(path, wait=False) as free:
        assert free
        assert is_held(path)
        with exclusive(path, wait=False) as again:
            assert not again
        assert is_held(path)
    assert not is_held(path)
    assert not path.exists()


def test_an_error_inside_releases_it(path: ObjectPath) -> None:
    with pytest.raises(KeyError), exclusive(path, wait=False):
        raise KeyError
    assert not path.exists()


@pytest.mark.slow
def test_taken_over_when_its_holder_was_killed(path: ObjectPath, holder: subprocess.Popen[str]) -> None:
    with exclusive(path, wait=False) as free:
        assert not free
    holder.kill()
    holder.wait()
    time.sleep(0.5)  # a renewal in flight has arrived
    start = time.monotonic()
    with exclusive(path, wait=False) as free:
        assert free
        assert time.monotonic() - start > 30 * 0.1  # after half a minute of checks, here sped up


@pytest.mark.parametrize("content", [b"", b"[]", b'{"owner": 1}', b'{"owner": "a", "renewed": "now"}', b"9" * 10_000])
def test_an_invalid_lease_is_taken_over(path: ObjectPath, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "LOOKS_UNTIL_ABANDONED", 2)
    path.write(content)
    assert not is_held(path)
    with exclusive(path, wait=False) as free:
        assert free
        monkeypatch.setattr(lock, "LOOKS_UNTIL_ABANDONED", 1000)  # renewals may be late on a busy machine
        assert is_held(path)
    assert not path.exists()


def test_waits_until_the_holder_releases_it(path: ObjectPath, holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    threading.Timer(0.5, lambda: (holder.stdin.write("\n"), holder.stdin.flush())).start()  # type: ignore[union-attr]
    with exclusive(path, wait=True) as free:
        assert free
        assert holder.wait(10) == 0


@pytest.mark.slow
def test_a_frozen_holder_gives_up_when_it_continues(path: ObjectPath, holder: subprocess.Popen[str]) -> None:
    lease = path.read_bytes()
    while path.read_bytes() == lease:  # do not freeze it in the middle of a renewal
        time.sleep(0.01)
    holder.send_signal(signal.SIGSTOP)
    with exclusive(path, wait=False) as free:
        assert free
        holder.send_signal(signal.SIGCONT)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "interrupted\n"
        holder.wait(10)
        time.sleep(0.5)
        with exclusive(path, wait=False) as again:  # it did not take the lease back
            assert not again


def test_two_that_start_at_the_same_time(path: ObjectPath) -> None:
    got: list[bool] = []
    begin, end = threading.Barrier(2), threading.Barrier(2)

    def contend() -> None:
        begin.wait()
        with exclusive(path, wait=False) as free:
            got.append(free)
            end.wait(20)

    threads = [threading.Thread(target=contend) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == [False, True]


def test_a_temporary_failure_of_the_store_does_not_end_it(
    path: ObjectPath, object_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "RETRY_SECONDS", 0.0)
    monkeypatch.setattr(objects, "_ATTEMPTS", 1)
    with exclusive(path, wait=False):
        object_store.disturb("503", lambda number: True)
        time.sleep(1)
        assert len(object_store.requests) > 2
        object_store.disturb("503", lambda number: False)
        with exclusive(path, wait=False) as again:
            assert not again
