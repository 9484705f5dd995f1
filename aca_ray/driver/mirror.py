"""What a driver needs from a tracker, which mirrors the records of a sweep in a store of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from aca_ray.records import AllocationFolder, SearchRecord, SweepRecord, TrialFolder
from aca_ray.storage import StoragePath
from aca_ray.sweep.manifest import Sweep


class Mirror(Protocol):
    """The runs of one sweep in a tracker.

    Every call logs what is missing there and may be repeated at any time, by a later process too. Calls come from one
    thread. After `open`, none raises because of the tracker: what fails is retried by later calls.
    """

    def open(
        self, spec_text: str, spec: Mapping[str, Any], description: str, versions: Sequence[tuple[int, str]]
    ) -> None:
        """Log that the sweep runs.

        Args:
            spec_text: YAML of the sweep.
            spec: experiment of the sweep, as JSON.
            description: description of the sweep.
            versions: (ms since 1970, YAML) of every version of the spec, the oldest first.

        Raises:
            SweepError: the tracker refuses. Not raised if it can't be reached.
        """

    def sync(self, record: SweepRecord, folder: TrialFolder) -> None:
        """Log what is new in the record of a trial."""

    def sync_allocation(self, record: SearchRecord, folder: AllocationFolder, epoch: int, main_plan: str) -> None:
        """Log the plans of a milestone by one ranker.

        Args:
            record: record of the search.
            folder: scores and plans.
            epoch: epoch of the milestone.
            main_plan: name of the main kind of plans.
        """

    def sync_comparison(self, folder: StoragePath) -> None:
        """Upload the files of a comparison."""

    def finish(self, comparison_folder: StoragePath, metrics: Mapping[str, float]) -> None:
        """Log the last comparison, its metrics, and the end of the sweep."""

    def interrupt(self) -> None:
        """Log that the sweep was interrupted."""

    def flush(self, patience_seconds: float) -> bool:
        """Deliver what is left, retrying for up to `patience_seconds`; return whether nothing is left."""


OpenMirror = Callable[[Sweep], Mirror]
"""Connects to the tracker of a sweep; called on the thread that uses the mirror."""
