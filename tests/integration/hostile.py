"""Files that run code when they are unpickled, put where Tune would read them."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Hostile:
    """An object whose unpickling makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@contextmanager
def hostile_checkpoints(folder: Path, marker: Path) -> Iterator[None]:
    """Put a hostile pickle into every folder of a Tune checkpoint below a folder while the block runs.

    Args:
        folder: may appear later.
        marker: the file that exists once one was unpickled.
    """
    over = threading.Event()
    content = pickle.dumps(Hostile(marker))

    def plant() -> None:
        while not over.wait(0.05):
            for checkpoint in folder.rglob("checkpoint_[0-9]*"):
                if checkpoint.is_dir():
                    (checkpoint / "_dict_checkpoint.pkl").write_bytes(content)

    planter = threading.Thread(target=plant)
    planter.start()
    try:
        yield
    finally:
        over.set()
        planter.join()
