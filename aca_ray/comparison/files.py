"""Files that are whole or absent.

Source: ours; write-then-rename.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from aca_ray.errors import StorageError


def write_whole(path: Path, write: Callable[[Path], object]) -> Path:
    """Write a file so that no reader ever sees half of it, and return its path.

    Args:
        path: the file; its folder is created.
        write: writes the content to the path it is given, which has the same suffix.

    Raises:
        StorageError: the folder or file can't be written.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: can't be written ({error}); check the free space and permissions") from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be missing
            temporary.unlink(missing_ok=True)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a text file whole, as UTF-8, and return its path."""
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
