"""Layout of a sweep on the disk; the only module that knows the names of its files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.space.trials import Kind, NetworkTrial, SearchTrial
from aca_ray.storage import StoragePath

RECORD_FILE = "record.json"
_ALLOCATION_FILE = "allocation.json"
_PARENTS: dict[Kind, str] = {"search": "searches", "retraining": "retrainings", "look-up": "look_ups"}


@dataclass(frozen=True)
class AllocationFolder:
    """The folder of a milestone's scores by one ranker, and of the plans made from them."""

    path: StoragePath

    @property
    def summary(self) -> StoragePath:
        """The summary of the allocation, as JSON; written last, so that the other files are complete once it exists."""
        return self.path / _ALLOCATION_FILE

    @property
    def scores(self) -> StoragePath:
        """The channel scores, as Parquet."""
        return self.path / "scores.parquet"

    @property
    def genotype(self) -> StoragePath:
        """The genotype whose channels are ranked."""
        return self.path / "genotype.json"

    @property
    def picture(self) -> StoragePath:
        """Drawing of the genotype and its main plan."""
        return self.path / "genotype.svg"

    def plan(self, name: str) -> StoragePath:
        """Return the file of a channel plan (see `aca_ray.channels.PlanKind.name`)."""
        return self.path / f"plan_{name}.json"


@dataclass(frozen=True)
class TrialFolder:
    """The folder of a search, a retraining or a look-up."""

    path: StoragePath

    @property
    def record(self) -> StoragePath:
        """The record of the trial, as JSON."""
        return self.path / RECORD_FILE

    @property
    def checkpoints(self) -> StoragePath:
        """The folder of the rolling checkpoints."""
        return self.path / "checkpoints"

    @property
    def milestones(self) -> StoragePath:
        """The folder of the checkpoints that are kept permanently."""
        return self.path / "milestones"

    @property
    def network(self) -> StoragePath:
        """Genotype and channel plan of a retraining, as JSON."""
        return self.path / "network.json"

    @property
    def genotype_picture(self) -> StoragePath:
        """Drawing of the cells that a search found."""
        return self.path / "genotype.svg"

    @property
    def mixing_picture(self) -> StoragePath:
        """Drawing of the mixing weights of a search."""
        return self.path / "mixing.svg"

    @property
    def tracked_files(self) -> tuple[StoragePath, ...]:
        """The files to upload to the trial's run in a tracker; some may not exist."""
        return self.genotype_picture, self.mixing_picture, self.network

    def milestone(self, epoch: int) -> StoragePath:
        """Return the checkpoint of a milestone."""
        return self.milestones / f"epoch_{epoch:04d}.ckpt"

    def allocation(self, epoch: int, ranking: str) -> AllocationFolder:
        """Return the folder of a milestone's allocations by a ranker."""
        return AllocationFolder(self.path / "allocations" / f"epoch_{epoch:04d}" / ranking)

    def allocations(self) -> list[AllocationFolder]:
        """Return the folders of all complete allocations, milestones ascending."""
        return [AllocationFolder(file.parent) for file in _matching(self.path, f"allocations/*/*/{_ALLOCATION_FILE}")]


@dataclass(frozen=True)
class SweepFolder:
    """The folder of a sweep.

    Attributes:
        path: <storage>/<sweep name>, absolute.
    """

    path: StoragePath

    @property
    def manifest(self) -> StoragePath:
        """The manifest, which makes this folder a sweep: spec, fingerprint, and where it was started."""
        return self.path / "sweep.json"

    @property
    def spec(self) -> StoragePath:
        """The spec, as its author wrote it."""
        return self.path / "spec.yaml"

    @property
    def images(self) -> StoragePath:
        """The digests of the images that the trials use."""
        return self.path / "images.json"

    @property
    def lock(self) -> StoragePath:
        """The lock of the process that drives the sweep."""
        return self.path / "lock"

    @property
    def log(self) -> StoragePath:
        """The messages of the driver."""
        return self.path / "driver.log"

    def plugin(self, name: str, sha256: str) -> StoragePath:
        """Return the copy of a plug-in's file, `NAME.py`, whose source has this SHA-256."""
        return self.path / "plugins" / f"{name.removesuffix('.py')}-{sha256[:SHORT_DIGITS]}.py"

    @property
    def comparison(self) -> StoragePath:
        """The folder of the report."""
        return self.path / "comparison"

    @property
    def report(self) -> StoragePath:
        """The page of the report."""
        return report_page(self.comparison)

    def trials(self, kind: Kind) -> StoragePath:
        """Return the parent folder of all trials of a kind."""
        return self.path / _PARENTS[kind]

    def trial(self, trial: SearchTrial | NetworkTrial) -> TrialFolder:
        """Return the folder of a trial."""
        return self.folder(trial.kind, trial.short)

    def folder(self, kind: Kind, short: str) -> TrialFolder:
        """Return the folder of a trial, given the first digits of its fingerprint."""
        return TrialFolder(self.trials(kind) / short)

    def recorded_trials(self) -> Iterator[TrialFolder]:
        """Yield the folders of all trials with a record, those of networks first."""
        kinds: tuple[Kind, ...] = ("look-up", "retraining", "search")
        for kind in kinds:
            for file in _matching(self.trials(kind), f"*/{RECORD_FILE}"):
                yield TrialFolder(file.parent)


def report_page(comparison: StoragePath) -> StoragePath:
    """Return the page in the folder of a report."""
    return comparison / "report.html"


def sweep_folders(storage: StoragePath) -> list[SweepFolder]:
    """Return the folders of all sweeps in a storage folder, by name."""
    return [SweepFolder(file.parent) for file in _matching(storage, "*/sweep.json")]


def sweep_folder_of(trial: StoragePath) -> SweepFolder:
    """Return the folder of the sweep that contains a trial's folder."""
    return SweepFolder(trial.parent.parent)


def _matching(folder: StoragePath, pattern: str) -> list[StoragePath]:
    found: list[StoragePath] = sorted(folder.glob(pattern))
    return found
