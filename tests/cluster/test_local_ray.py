"""Obstacles to a start of Ray are named by their variable; a token is created if HOME cannot store one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from aca_ray.cluster.local_ray import local_ray, require_home
from aca_ray.errors import SweepError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the home folder, in an environment without other settings of Ray."""
    for name in ("RAY_TMPDIR", "TMPDIR", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.mark.parametrize("variable", ["TMPDIR", "RAY_TMPDIR"])
def test_a_temporary_folder_too_long_for_sockets(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "/scratch/of/the/job/" + "x" * 40)
    with (
        pytest.raises(SweepError, match=rf"^{variable}: is too long .*60 bytes of at most .*Set RAY_TMPDIR"),
        local_ray(),
    ):
        pass
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")  # which takes precedence over TMPDIR
    with local_ray():
        pass


def test_an_unusable_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for folder in ("file", "file/below", "/proc/1/nothing"):
        monkeypatch.setenv("TMPDIR", folder)
        with pytest.raises(SweepError, match=r"^TMPDIR: .*Set RAY_TMPDIR"), local_ray():
            pass
    monkeypatch.setenv("TMPDIR", "not-there-yet")
    with local_ray():
        pass


def test_the_file_of_the_token_is_private(home: Path) -> None:
    home.mkdir()
    with local_ray():
        assert stat.S_IMODE((home / ".ray" / "auth_token").stat().st_mode) == 0o600
        assert "RAY_AUTH_TOKEN" not in os.environ


@pytest.mark.parametrize("place", ["/proc/1", "/", None])
def test_a_home_that_cannot_store_a_token(place: str | None, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home.mkdir()
    if place == "/":
        (home / ".ray").write_text("")  # a file where the folder should be
    elif place is None:
        (home / ".ray" / "auth_token").mkdir(parents=True)
    else:
        monkeypatch.setenv("HOME", place)
    with local_ray():
        token = os.environ["RAY_AUTH_TOKEN"]
        assert len(token) == 64
    assert "RAY_AUTH_TOKEN" not in os.environ
    with local_ray():
        assert os.environ["RAY_AUTH_TOKEN"] != token


def test_a_token_of_the_user_is_used(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / ".ray").mkdir(parents=True)
    (home / ".ray" / "auth_token").write_text("mine")
    with local_ray():
        assert "RAY_AUTH_TOKEN" not in os.environ
    monkeypatch.setenv("RAY_AUTH_TOKEN", "given")
    with local_ray():
        assert os.environ["RAY_AUTH_TOKEN"] == "given"
    assert os.environ["RAY_AUTH_TOKEN"] == "given"


@pytest.mark.parametrize("content", [None, " \n"])
def test_a_token_path_without_a_token(content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "token"
    if content is not None:
        file.write_text(content)
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(file))
    with pytest.raises(SweepError, match=r"^RAY_AUTH_TOKEN_PATH: .*unset it"), local_ray():
        pass
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with local_ray():
        assert "RAY_AUTH_TOKEN" not in os.environ


def test_no_home_and_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    require_home()
    monkeypatch.delenv("HOME")
    require_home()  # the system knows who this is
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(SweepError, match=r"^HOME: .*set HOME"):
        require_home()
