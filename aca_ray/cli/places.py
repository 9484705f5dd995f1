"""Paths as a user reads and opens them."""

from __future__ import annotations

import webbrowser
from pathlib import Path

from aca_ray.storage import StoragePath
from aca_ray.terminal import link, say


def relative(path: StoragePath) -> StoragePath:
    """Return a path below the working directory as relative, any other one resolved."""
    path = path.resolve()
    if not isinstance(path, Path):
        return path
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def linked(path: StoragePath) -> str:
    """Return a path as a link on a terminal that opens it, or as a plain path."""
    resolved = path.resolve()
    return link(str(relative(path)), resolved.as_uri()) if isinstance(resolved, Path) else str(path)


def open_page(path: StoragePath) -> None:
    """Open a page in the user's browser, or say why not."""
    resolved = path.resolve()
    if not isinstance(resolved, Path):
        say(f"--open: {path} is in an object store; copy it to this machine to open it", error=True)
    elif not resolved.is_file():
        say(f"--open: there is no report yet: {relative(path)}", error=True)
    elif not webbrowser.open(resolved.as_uri()):
        say(f"--open: found no web browser; set BROWSER, or open {relative(path)}", error=True)
