"""Output to closed pipes and terminals, and locales with other encodings."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from aca_ray.terminal import told_when_slow


def run(*arguments: str, stdout: int = subprocess.PIPE, **environment: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("code", "codes"),
    [
        ("main(['--help'])", {0, 141}),  # argparse itself swallows the error where output is not buffered
        ("cli._carry_out = lambda arguments: print('x' * 100_000); main([])", {141}),
        ("cli._carry_out = lambda arguments: print('x'); main([])", {141}),
    ],
)
def test_a_reader_that_leaves_early(code: str, codes: set[int], unbuffered: str) -> None:
    read, write = os.pipe()
    os.close(read)
    program = f"import sys; from aca_ray import cli; main = lambda given: sys.exit(cli.main(given)); {code}"
    done = run("-c", program, stdout=write, PYTHONUNBUFFERED=unbuffered)
    os.close(write)
    assert done.returncode in codes
    assert done.stderr == b""


def closed_pipe() -> int:
    read, write = os.pipe()
    os.close(read)
    return write


def closed_terminal() -> int:
    outside, inside = pty.openpty()
    os.close(outside)
    return inside


def test_a_closed_terminal() -> None:
    terminal = closed_terminal()
    program = "import sys; from aca_ray import cli; cli._carry_out = lambda given: print('x'); sys.exit(cli.main([]))"
    done = run("-c", program, stdout=terminal)
    os.close(terminal)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("closed", [closed_pipe, closed_terminal])
def test_say_ignores_closed_output(closed: Callable[[], int]) -> None:
    write = closed()
    code = "from aca_ray.terminal import say; say('one'); say('two'); print('three', flush=True); exit(7)"
    done = run("-c", code, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (7, b"")


def test_slow_blocks_are_reported(capsys: pytest.CaptureFixture[str]) -> None:
    with told_when_slow("still here", seconds=0.01):
        time.sleep(0.1)
    with told_when_slow("not told", seconds=0.1):
        pass
    assert capsys.readouterr() == ("", "still here\n")


def test_another_broken_pipe_is_an_error() -> None:
    code = (
        "import sys; from aca_ray import cli\n"
        "def verb(arguments): raise BrokenPipeError\n"
        "cli._carry_out = verb; sys.exit(cli.main([]))"
    )
    done = run("-c", code)
    assert done.returncode == 1
    assert b"BrokenPipeError" in done.stderr


def test_characters_missing_from_the_output_encoding() -> None:
    code = "from aca_ray.terminal import show_every_character; show_every_character(); print('Maß \u2265')"
    assert run("-c", code, PYTHONIOENCODING="latin-1").stdout == b"Ma\xdf \\u2265\n"


@pytest.fixture(scope="module")
def latin1(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a Latin-1 locale; skips the test where the system cannot make one."""
    folder = tmp_path_factory.mktemp("locales")
    try:
        subprocess.run(
            ["localedef", "-i", "en_US", "-f", "ISO-8859-1", folder / "en_US.ISO-8859-1"],
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no localedef, or no sources of locales")
    return {"LOCPATH": str(folder), "LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": ""}


def test_paths_are_utf8_in_every_locale(latin1: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Maß").write_text("")
    code = (
        "import os, sys; from aca_ray.terminal import use_utf8; use_utf8()\n"
        f"print(os.listdir({str(tmp_path)!r})[0], sys.getfilesystemencoding(), sys.argv[1:])"
    )
    done = run("-c", code, "kept", **latin1)
    assert done.stdout.decode("latin-1") == "Maß utf-8 ['kept']\n"


def test_a_spec_is_utf8_in_every_locale(latin1: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "Maß.yaml").write_text("name: ü\n", encoding="utf-8")
    done = run("-m", "aca_ray.cli", "check", str(tmp_path / "Maß.yaml"), **latin1)
    assert done.returncode == 2
    assert "found 'ü'" in done.stderr.decode("latin-1")
