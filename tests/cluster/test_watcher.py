"""Processes end with the driver that started them, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from aca_ray.cluster.watcher import watched

pytestmark = pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc")

SLEEP = ["sleep", "60"]
# Loses its environment, like a worker of Ray that sets its title.
FORGETFUL = ["sh", "-c", "env -i sleep 60 & echo $!; wait"]

DRIVER = """
import os, subprocess, sys, time
from aca_ray.cluster.watcher import watched
with watched() as watcher:
    environment = {**os.environ, **watcher.environment}
    print(subprocess.Popen(["sleep", "60"], env=environment, start_new_session=True).pid, flush=True)
    time.sleep(60)
"""


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def start(command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def test_the_end_of_the_block_ends_marked_processes_and_their_sessions() -> None:
    with watched() as watcher:
        marked = start(SLEEP, watcher.environment)
        leader = start(FORGETFUL, watcher.environment)
        watcher.add_session(leader.pid)
        assert leader.stdout is not None
        orphan = int(leader.stdout.readline())
        leader.kill()  # the session's first process is gone before the watcher looks
        leader.wait()
        assert alive(orphan)
    assert marked.wait(timeout=5) == -signal.SIGKILL
    wait_until(lambda: not alive(orphan))


def test_it_may_be_ended_before_the_end_of_the_block_and_twice_at_once() -> None:
    with watched() as watcher:
        marked = start(SLEEP, watcher.environment)
        hurry = threading.Thread(target=watcher.end)
        hurry.start()
    hurry.join()
    assert marked.wait(timeout=5) == -signal.SIGKILL
    watcher.end()


def test_a_process_that_reused_an_id_is_left_alone() -> None:
    other = start(SLEEP, {})
    try:
        with watched() as watcher:
            watcher.add_session(other.pid)
        assert alive(other.pid)
    finally:
        other.kill()
        other.wait()


def test_processes_of_a_driver_that_is_killed_end() -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True)
    assert driver.stdout is not None
    child = int(driver.stdout.readline())
    assert alive(child)
    driver.kill()
    driver.wait()
    wait_until(lambda: not alive(child), seconds=5)


def test_a_killed_watcher_is_no_error() -> None:
    with watched() as watcher:
        watcher._process.kill()
        watcher._process.wait()
        watcher.add_session(1)
