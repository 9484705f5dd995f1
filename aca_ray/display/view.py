"""What a driver needs from a display of the trials of its sweep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from aca_ray.storage import StoragePath
from aca_ray.sweep.orders import Order


class View(Protocol):
    """Shows every trial of a sweep while it runs. No method raises because of the output."""

    def open(self, orders: Sequence[Order]) -> None:
        """Start to show the trials of orders."""

    def update(self, folder: StoragePath) -> None:
        """Read a trial's record again."""

    def refresh(self) -> None:
        """Redraw, if it is time."""

    def note(self, folder: StoragePath, text: str) -> None:
        """Show a line about a trial; it stays."""

    def say(self, line: str) -> None:
        """Show a line; it stays."""

    def close(self) -> None:
        """Show the final state."""
