"""The lock: at most one holder, and free after the holder died."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.storage.lock import exclusive, is_held

HOLDER = """
import sys
from pathlib import Path
from aca_ray.storage.lock import exclusive
with exclusive(Path(sys.argv[1]), wait=False) as free:
    print(free, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lock"


@pytest.fixture
def holder(path: Path, start_python: Callable[..., subprocess.Popen[str]]) -> subprocess.Popen[str]:
    process = start_python(HOLDER, path)
    assert process.stdout is not None
    assert process.stdout.readline() == "True\n"
    return process


def test_free_lock(path: Path) -> None:
    assert not is_held(path)
    assert not path.exists()  # is_held creates no file
    with exclusive(path, wait=False) as free:
        assert free
        assert is_held(path)
        with exclusive(path, wait=False) as again:
            assert not again
        assert is_held(path)  # the failed attempt did not release it
    assert not is_held(path)


def test_an_error_inside_releases_it(path: Path) -> None:
    with pytest.raises(KeyError), exclusive(path, wait=False):
        raise KeyError
    assert not is_held(path)


def test_held_by_a_process_until_it_is_killed(path: Path, holder: subprocess.Popen[str]) -> None:
    assert is_held(path)
    with exclusive(path, wait=False) as free:
        assert not free
    holder.kill()
    holder.wait()
    assert not is_held(path)
    with exclusive(path, wait=False) as free:
        assert free


def test_waits_until_the_holder_releases_it(path: Path, holder: subprocess.Popen[str]) -> None:
    acquired = threading.Event()

    def wait_for_it() -> None:
        with exclusive(path, wait=True) as free:
            if free:
                acquired.set()

    thread = threading.Thread(target=wait_for_it)
    thread.start()
    assert not acquired.wait(0.2)
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    assert acquired.wait(30)
    thread.join()


def test_the_file_is_deleted_with_the_lock(path: Path, holder: subprocess.Popen[str]) -> None:
    with exclusive(path, wait=False) as free:
        assert not free
    assert path.exists()  # the file of the running holder
    holder.kill()
    holder.wait()
    assert path.exists()  # a leftover now
    assert not is_held(path)
    with exclusive(path, wait=False) as free:
        assert free
        assert path.exists()
    assert not path.exists()


def test_one_holder_at_a_time_while_the_file_is_deleted_and_created(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter() -> None:
        for _ in range(50):
            with exclusive(path, wait=True):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 200
    assert not path.exists()
