"""Files of a sweep that can be deleted, and what is lost with them.

Records, plans, manifest and reports are never among them, so that a sweep stays as finished as it was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.storage import StoragePath
from aca_ray.storage.checkpoint import SUFFIX
from aca_ray.storage.files import files_below, is_leftover, num_bytes
from aca_ray.storage.lock import exclusive, is_held
from aca_ray.sweep.growing import abandoned, driven_elsewhere
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.orders import SearchOrder, needs_ranking, plans_of, rankings_of, search_orders
from aca_ray.sweep.ranking_orders import milestone_orders


@dataclass(frozen=True)
class Garbage:
    """Files that can be deleted for one reason.

    Attributes:
        name: name of the class, and of the option that chooses it; `leftovers` is always chosen.
        what: what the files are.
        loss: what is no longer possible without them.
        files: the files.
    """

    name: str
    what: str
    loss: str
    files: tuple[StoragePath, ...]

    @cached_property
    def num_bytes(self) -> int:
        """The size of all files."""
        return sum(map(num_bytes, self.files))

    def delete(self) -> None:
        """Delete the files."""
        for path in self.files:
            path.unlink(missing_ok=True)


@contextmanager
def undriven(sweep: Sweep, *, read_only: bool = False) -> Iterator[None]:
    """Keep drivers away from a sweep; if `read_only`, only check that there is none.

    Raises:
        SweepError: another process drives the sweep.
    """
    if read_only:
        if is_held(sweep.folder.lock):
            raise driven_elsewhere(sweep.folder)
        yield
        return
    with exclusive(sweep.folder.lock, wait=False) as free:
        if not free:
            raise driven_elsewhere(sweep.folder)
        yield


def find_garbage(sweep: Sweep) -> tuple[Garbage, ...]:
    """Return everything that can be deleted of a sweep that no process drives, harmless classes first.

    Raises:
        ConfigError: a record is malformed; nothing can be said about its files.
        StorageError: the folder can't be read.
    """
    sweep.plugins.load()
    records = _records(sweep)
    finished = {trial: record for trial, record in records.items() if record.state == "finished"}
    leftovers = [path for path in files_below(sweep.folder.path) if is_leftover(path)]
    leftovers += [path for trial in finished for path in _checkpoints(trial.checkpoints)]
    unwanted = [TrialFolder(folder) for folder in sorted(abandoned(sweep))]
    ranked = _ranked_searches(sweep)
    searches = [trial for trial, record in finished.items() if record.kind == "search" and trial.path in ranked]
    retrainings = [trial for trial, record in finished.items() if record.kind == "retraining"]
    return (
        Garbage(
            "leftovers",
            "temporary files of killed processes, and rolling checkpoints of finished trials",
            "nothing",
            tuple(leftovers),
        ),
        Garbage(
            "abandoned",
            "checkpoints of unfinished trials that the newest spec no longer contains",
            "these trials start from the beginning if a later spec contains them again",
            tuple(path for trial in unwanted for path in _all_checkpoints(trial)),
        ),
        Garbage(
            "milestones",
            "milestones of finished searches whose channels are allocated",
            "no other rankers, allocation rules or controls for these searches",
            tuple(path for trial in searches for path in _checkpoints(trial.milestones)),
        ),
        Garbage(
            "weights",
            "trained weights of finished retrainings",
            "no export and no MLflow model of these networks with weights; their accuracies stay",
            tuple(path for trial in retrainings for path in _checkpoints(trial.milestones)),
        ),
    )


def _records(sweep: Sweep) -> dict[TrialFolder, TrialRecord]:
    """Return the records of a sweep's trials by folder."""
    found = ((trial, TrialRecord.read(trial.path)) for trial in sweep.folder.recorded_trials())
    return {trial: record for trial, record in found if record is not None}


def _ranked_searches(sweep: Sweep) -> set[StoragePath]:
    """Return the folders of the searches whose milestones the sweep has ranked, or does not rank."""
    return {search.folder for search in search_orders(sweep) if _is_ranked(sweep, search)}


def _is_ranked(sweep: Sweep, search: SearchOrder) -> bool:
    if search.trial.skip == "searched" or not needs_ranking(sweep):
        return True
    milestones = search.trial.milestones
    orders = milestone_orders(sweep, search, milestones, rankings_of(sweep), plans_of(sweep))
    return all(order.is_done for order in orders)


def _all_checkpoints(trial: TrialFolder) -> list[StoragePath]:
    return [*_checkpoints(trial.checkpoints), *_checkpoints(trial.milestones)]


def _checkpoints(folder: StoragePath) -> list[StoragePath]:
    """Return the checkpoints in a folder; none if the folder is a link, which may lead to those of another trial."""
    if isinstance(folder, Path) and folder.is_symlink():
        return []
    if not folder.is_dir():
        return []
    return [path for path in files_below(folder) if path.suffix == SUFFIX and not is_leftover(path)]
