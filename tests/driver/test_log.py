"""driver.log: what it holds, how large it gets, and what it never touches."""

from __future__ import annotations

import logging
import os
import re
from pathlib import Path

import pytest

from aca_ray.display.view import MESSAGES, QuietView
from aca_ray.driver import log as module
from aca_ray.driver.log import sweep_log
from aca_ray.records import SweepFolder
from aca_ray.storage import storage_path

PACKAGE = logging.getLogger("aca_ray")


def test_messages_and_warnings_are_kept_with_their_dates(tmp_path: Path) -> None:
    before = list(PACKAGE.handlers), list(MESSAGES.handlers)
    for number in range(2):  # a second driver appends
        with sweep_log(SweepFolder(tmp_path)):
            QuietView().say(f"message {number}")
            logging.getLogger("aca_ray.driver.run").warning("warning %d", number)
        QuietView().say("not in a sweep")
    lines = (tmp_path / "driver.log").read_text().splitlines()
    assert [re.sub(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ", "", line) for line in lines] == [
        f"{level} {text} {number}"
        for number in range(2)
        for level, text in (("INFO", "message"), ("WARNING", "warning"))
    ]
    assert (PACKAGE.handlers, MESSAGES.handlers) == before


def test_warnings_are_shown_as_without_a_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class LastResort(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            shown.append(record.getMessage())

    monkeypatch.setattr(logging, "lastResort", LastResort(logging.WARNING))
    monkeypatch.setattr(PACKAGE, "propagate", False)  # pytest gives the root logger handlers
    with sweep_log(SweepFolder(tmp_path)):
        PACKAGE.warning("one")
        PACKAGE.info("two")
    PACKAGE.warning("three")
    assert shown == ["one", "three"]


def test_its_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 2_000)
    with sweep_log(SweepFolder(tmp_path)):
        for number in range(200):
            MESSAGES.info("message %d", number)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["driver.log", "driver.log.1"]
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert files[0].read_text().endswith("message 199\n")


@pytest.mark.parametrize("kind", ["link", "pipe", "folder", "read-only"])
def test_a_log_that_cannot_be_written_stops_nothing(tmp_path: Path, kind: str) -> None:
    target, place = tmp_path / "target", tmp_path / "sweep" / "driver.log"
    target.write_text("before")
    place.parent.mkdir()
    if kind == "link":
        place.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "folder":
        place.mkdir()
    else:
        place = tmp_path / "none" / "driver.log"
    with sweep_log(SweepFolder(place.parent)):
        MESSAGES.info("a message")
    assert target.read_text() == "before"


def test_a_full_disk_is_ignored(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "driver.log").write_text("")
    with sweep_log(SweepFolder(tmp_path)):
        (handler,) = (one for one in MESSAGES.handlers if isinstance(one, module._Log))
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, handler.stream.fileno())
        MESSAGES.info("a message")
        os.close(full)
    assert capfd.readouterr().err == ""


def test_an_object_store_has_no_log() -> None:
    before = list(MESSAGES.handlers)
    with sweep_log(SweepFolder(storage_path("s3://bucket/results") / "small")):
        assert MESSAGES.handlers == before
