"""Completion in real shells: what a user gets who presses the tabulator."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.cli import build_parser
from aca_ray.cli.grammar import arguments_of, verbs_of
from aca_ray.cli.listing import LISTED

Complete = Callable[..., list[str]]
SHELLS = ("bash", "zsh", "fish")
VERBS = {name.split()[0] for name, _, _ in verbs_of(build_parser())}


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The scripts of all shells, as the command prints them."""
    folder = tmp_path_factory.mktemp("scripts")
    found = {}
    for shell in SHELLS:
        command = [sys.executable, "-m", "aca_ray.cli", "completion", shell]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        found[shell] = folder / shell
        found[shell].write_text(done.stdout)
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with specs and sweeps."""
    for name in ("first.yaml", "fine.yml", "notes.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "fields").mkdir()
    for storage, names in (("results", ["digits", "digits-2", "other"]), ("my results", ["elsewhere"])):
        for name in names:
            (tmp_path / storage / name).mkdir(parents=True)
            (tmp_path / storage / name / "sweep.json").write_text("{}")
    (tmp_path / "results" / "comparisons").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def complete(scripts: dict[str, Path], folder: Path) -> Complete:
    """Return a function that returns what bash offers for the last of some words, through its completion function."""

    def words(*words: str) -> list[str]:
        program = (
            f'source "{scripts["bash"]}"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _aca_ray; '
            '[ ${#COMPREPLY[@]} -eq 0 ] || printf "%s\\n" "${COMPREPLY[@]}"'
        )
        command = ["bash", "--norc", "-c", program, "bash", "aca-ray", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.splitlines()

    return words


def test_verbs(complete: Complete) -> None:
    assert set(complete("")) == VERBS
    assert complete("comp") == ["compare", "completion"]
    assert set(complete("jobs", "")) == {"list", "logs", "stop"}
    assert set(complete("--")) == {"--help", "--version"}


@pytest.mark.parametrize("name", [name for name, _, _ in verbs_of(build_parser())])
def test_options_of_every_verb(complete: Complete, name: str) -> None:
    (verb,) = (verb for found, verb, _ in verbs_of(build_parser()) if found == name)
    options = {argument.option_strings[-1] for argument in arguments_of(verb) if argument.option_strings}
    assert set(complete(*name.split(), "--")) == options | {"--help"}


def test_names(complete: Complete) -> None:
    assert complete("list", "") == list(LISTED)
    assert complete("list", "sp") == ["spaces"]
    assert set(complete("status", "")) == {"digits", "digits-2", "other"}
    assert complete("list", "methods", "") == complete("list", "--json", "trials", "") == complete("status", "")
    assert set(complete("status", "--watch", "d")) == {"digits", "digits-2"}
    assert set(complete("compare", "digits", "other", "d")) == {"digits", "digits-2"}  # as many as one likes
    assert complete("status", "digits", "") == []  # one only
    assert complete("resume", "--storage", "my results", "") == ["elsewhere"]
    assert complete("resume", "--storage", "=", "my results", "") == ["elsewhere"]
    assert complete("resume", "--storage", "none", "") == []
    assert set(complete("export", "--format", "")) == {"onnx", "torch-export", "python", "json"}
    assert complete("compare", "--by", "m") == ["method"]
    assert complete("completion", "") == list(SHELLS)


def test_files(complete: Complete) -> None:
    assert set(complete("check", "f")) == {"fields", "fine.yml", "first.yaml"}
    assert set(complete("run", "--local", "n")) == set()
    assert set(complete("run", "--address", "auto", "fi")) == {"fields", "fine.yml", "first.yaml"}
    assert complete("show", "no") == ["notes.txt"]
    assert complete("resume", "--storage", "my") == ["my results"]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("aca-ray sta\t", "aca-ray status "),
        ("aca-ray status oth\t", "aca-ray status other "),
        ("aca-ray list spa\t", "aca-ray list spaces "),
        ("aca-ray check fir\t", "aca-ray check first.yaml "),
        ("aca-ray run --loc\t", "aca-ray run --local "),
    ],
)
def test_a_tabulator_in_a_terminal(
    scripts: dict[str, Path], folder: Path, shell: str, typed: str, completed: str
) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"needs {shell}")
    start = {"bash": ["--norc", "--noprofile", "-i"], "zsh": ["-f", "-i"], "fish": ["--no-config", "-i"]}[shell]
    environment = {**os.environ, "TERM": "xterm", "HOME": str(folder), "PS1": "> ", "COLUMNS": "200"}
    terminal, inside = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", program, *start], stdin=inside, stdout=inside, stderr=inside, env=environment
    )
    os.close(inside)
    try:
        # The word is printed by the shell, in another form than it is typed.
        os.write(terminal, f"source {scripts[shell]}; echo re''ady\n".encode())
        read_until(terminal, r"(?m)^ready")
        os.write(terminal, typed.encode())
        read_until(terminal, re.escape(completed))
    finally:
        process.kill()
        process.wait(timeout=30)
        os.close(terminal)


def read_until(terminal: int, pattern: str, seconds: float = 30.0) -> None:
    """Read what a terminal shows until a pattern is in it, without colors."""
    shown = ""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ready, _, _ = select.select([terminal], [], [], 0.5)
        if ready:
            text = os.read(terminal, 65536).decode(errors="replace")
            if "\033[c" in text:  # fish asks what the terminal is
                os.write(terminal, b"\033[?1;2c")
            shown += text
        if re.search(pattern, re.sub(r"\033\[[0-9;?>]*[a-zA-Z]|\033\][^\a]*\a|\r|\033[=>(]B?", "", shown)):
            return
    raise AssertionError(f"no {pattern!r} in {shown!r}")
