"""Files that run code when they are unpickled, written to where Tune would read them."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Hostile:
    """An object that creates a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


@contextmanager
def hostile_checkpoints(folder: Path, marker: Path) -> Iterator[None]:
    """Write a hostile pickle into every Tune checkpoint below a folder while the block runs.

    Args:
        folder: folder of the Tune checkpoints; may appear later.
        marker: file that exists after a pickle was loaded.
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
