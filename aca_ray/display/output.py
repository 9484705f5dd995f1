"""A stream that may go away."""

from __future__ import annotations

from typing import TextIO


class Output:
    """Writes to a stream until that fails once: a closed terminal or pipe must not end a sweep."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lost = False

    def write(self, text: str) -> None:
        """Write and flush a text."""
        if not self._lost:
            try:
                self._stream.write(text)
                self._stream.flush()
            except (OSError, ValueError):
                self._lost = True
