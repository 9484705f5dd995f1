"""The summary of a milestone's channel allocation: allocation.json."""

from __future__ import annotations

from typing import Any

from aca_ray.storage.bounded import read_json
from aca_ray.storage.objects import StoragePath

FIX = "move the file away and resume the sweep: the channels are ranked again from the milestone's checkpoint"


def read_allocation(path: StoragePath) -> dict[str, Any]:
    """Return the summary in a file, with its values checked.

    Raises:
        StorageError: the file can't be read.
        MalformedFileError: a field is missing, of the wrong type or out of bounds.
    """
    # Imported here: pydantic takes 0.1 s, which --help does not need.
    from aca_ray.records.checking import check
    from aca_ray.records.types import ALLOCATION

    value: dict[str, Any] = read_json(path)
    check(ALLOCATION, value, str(path), FIX)
    return value
