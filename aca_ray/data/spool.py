"""Byte strings in a temporary file, read in any order by any thread."""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Sequence


class Spool:
    """Byte strings that are too large for memory together, in a file of this process's own.

    The file lies in the folder of temporary files (`TMPDIR`, or the system's) and has no name, so that the system
    frees its space however the process ends. It is read without mapping it: what the system caches of it is not counted
    as memory of the process.

    Raises:
        OSError: the file can't be made, written or read.

    Attributes:
        folder: folder of the file.
    """

    def __init__(self) -> None:
        self.folder = tempfile.gettempdir()
        self._file = tempfile.TemporaryFile(buffering=0, dir=self.folder)  # noqa: SIM115 - open as long as the spool
        self._ends = array("q", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    @property
    def num_bytes(self) -> int:
        """Bytes in the file."""
        return self._ends[-1]

    @property
    def free_bytes(self) -> int:
        """Bytes that the disk of the file has left."""
        disk = os.fstatvfs(self._file.fileno())
        return disk.f_bavail * disk.f_frsize

    def append(self, parts: Sequence[bytes]) -> None:
        """Write byte strings behind the others."""
        left = memoryview(b"".join(parts))
        while left:
            left = left[self._file.write(left) :]
        for part in parts:
            self._ends.append(self._ends[-1] + len(part))

    def read(self, number: int) -> bytes:
        """Return the byte string of this number."""
        start, end = self._ends[number], self._ends[number + 1]
        return os.pread(self._file.fileno(), end - start, start)
