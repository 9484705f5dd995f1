"""The reaction of a driver to SIGINT, SIGTERM and SIGHUP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from aca_ray.driver.interrupt import Interrupt

PROCESS = """
import sys, time
from aca_ray.driver.interrupt import Interrupt
with Interrupt().handling_signals() as interrupt, interrupt.only_noted():
    print("ready", flush=True)
    while not interrupt.requested:
        time.sleep(0.01)
    print("noted", flush=True)
    time.sleep(float(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def heeded() -> Iterator[None]:
    """Restore the default SIGHUP handling, which nohup disables."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_first_signal_raises_once(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    with Interrupt().handling_signals() as interrupt:
        with pytest.raises(KeyboardInterrupt):
            send(number)
        assert interrupt.requested
        send(number)  # the same request, delivered twice
        send(signal.SIGHUP)
        with pytest.raises(KeyboardInterrupt):
            interrupt.check()
    assert signal.getsignal(number) == before


def test_a_signal_is_only_noted_in_critical_blocks() -> None:
    with Interrupt().handling_signals() as interrupt:
        interrupt.check()
        with interrupt.only_noted():
            send(signal.SIGTERM)
            assert interrupt.requested


def test_nohup_is_respected() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt().handling_signals() as interrupt:
            send(signal.SIGHUP)
            assert not interrupt.requested
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_second_request_ends_the_process() -> None:
    process = subprocess.Popen([sys.executable, "-c", PROCESS, "30"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "noted\n"
    while process.poll() is None:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
    assert process.wait(timeout=5) == -signal.SIGTERM


def test_signals_are_left_alone_outside_the_main_thread() -> None:
    script = (
        "import threading\nfrom aca_ray.driver.interrupt import Interrupt\n"
        "def work():\n    with Interrupt().handling_signals() as interrupt:\n        print(interrupt.requested)\n"
        "thread = threading.Thread(target=work)\nthread.start()\nthread.join()"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
