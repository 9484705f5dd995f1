"""Requirements of a Ray started on this machine: a token, and a folder for its session and its sockets."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aca_ray.errors import SweepError

_LONGEST_SOCKET = 103 if sys.platform == "darwin" else 107  # maximal bytes in the path of a socket
# Ray's own pattern; the moment has 26 characters.
_SOCKET = "/ray/session_{moment}_{pid}/sockets/plasma_store"


def require_home() -> None:
    """Raise an error if no home folder is known: without one Ray cannot be imported.

    Raises:
        SweepError: HOME is not set, and the system does not know the user.
    """
    if os.path.expanduser("~") == "~":
        raise SweepError(f"HOME: is not set, and the system knows no user {os.getuid()}; set HOME to a writable folder")


@contextmanager
def local_ray() -> Iterator[None]:
    """Provide what Ray needs to start on this machine, for as long as it runs.

    Raises:
        SweepError: an environment variable has an unusable value; names the variable and the fix.
    """
    _require_session_folder()
    token = _token()
    if token is None:
        yield
        return
    os.environ["RAY_AUTH_TOKEN"] = token
    try:
        yield
    finally:
        os.environ.pop("RAY_AUTH_TOKEN", None)


def _require_session_folder() -> None:
    """Check the folder for temporary files.

    Raises:
        SweepError: its path is too long for sockets, or it cannot be written.
    """
    variable = next((name for name in ("RAY_TMPDIR", "TMPDIR") if name in os.environ), None)
    folder = os.environ[variable] if variable else "/tmp"
    room = _LONGEST_SOCKET - len(_SOCKET.format(moment="2000-01-01_00-00-00_000000", pid=os.getpid()))
    if variable and len(os.fsencode(folder)) > room:
        raise SweepError(
            f"{variable}: is too long for Ray's sockets, {len(os.fsencode(folder))} bytes of at most {room}: {folder}. "
            "Set RAY_TMPDIR to a shorter path, such as /tmp"
        )
    place = os.path.join(folder, "ray")
    while not os.path.exists(place) and place != os.path.dirname(place):
        place = os.path.dirname(place)
    if not os.path.isdir(place or ".") or not os.access(place or ".", os.W_OK | os.X_OK):
        raise SweepError(
            f"{variable or '/tmp'}: Ray keeps its session in {os.path.join(folder, 'ray')}, and {place} is not a "
            "writable folder. Set RAY_TMPDIR to one with a short path"
        )


def _token() -> str | None:
    """Return a token for this session if Ray can neither read nor store one for this user, else None.

    Raises:
        SweepError: RAY_AUTH_TOKEN_PATH names no file with a token.
    """
    if os.environ.get("RAY_AUTH_MODE", "token").lower() != "token" or os.environ.get("RAY_AUTH_TOKEN"):
        return None
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    if named:
        try:
            if Path(named).read_bytes().strip():
                return None
            reason = "the file is empty"
        except OSError as error:
            reason = str(error.strerror)
        raise SweepError(
            f"RAY_AUTH_TOKEN_PATH: must name a file with a token, found {named} ({reason}). Correct it, or unset it to "
            "have a token created"
        )
    try:
        file = Path.home() / ".ray" / "auth_token"
        if file.exists() and file.read_bytes().strip():
            return None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)  # private from the start: Ray would make it world-readable
        with open(file, "r+b"):
            return None
    except (OSError, RuntimeError):  # HOME is missing or cannot be written
        return secrets.token_hex(32)
