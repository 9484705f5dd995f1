"""Where the files of a sweep lie."""

from __future__ import annotations

from dataclasses import dataclass

from aca_ray.config import EvaluationTrial, SearchTrial
from aca_ray.storage import StoragePath


@dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep.

    Attributes:
        path: <storage>/<sweep name>, absolute.
    """

    path: StoragePath

    @property
    def manifest(self) -> StoragePath:
        """The file that makes this folder a sweep: spec, its fingerprint, where it was started."""
        return self.path / "sweep.json"

    @property
    def spec(self) -> StoragePath:
        """The spec as its author wrote it."""
        return self.path / "spec.yaml"

    @property
    def lock(self) -> StoragePath:
        """Held by the process that drives the sweep."""
        return self.path / "lock"

    @property
    def comparison(self) -> StoragePath:
        """Tables and plots."""
        return self.path / "comparison"

    @property
    def searches(self) -> StoragePath:
        """The folders of all searches."""
        return self.path / "searches"

    @property
    def evaluations(self) -> StoragePath:
        """The folders of all evaluations."""
        return self.path / "evaluations"

    def search(self, trial: SearchTrial) -> StoragePath:
        """The folder of a search."""
        return self.searches / trial.short

    def evaluation(self, trial: EvaluationTrial) -> StoragePath:
        """The folder of a retraining."""
        return self.evaluations / trial.short


def milestone_path(search_folder: StoragePath, epoch: int) -> StoragePath:
    """Return where the checkpoint of a milestone lies."""
    return search_folder / "milestones" / f"epoch_{epoch:04d}.ckpt"


def allocation_folder(search_folder: StoragePath, epoch: int, ranking: str) -> StoragePath:
    """Return where the scores and plans of a milestone by a ranker lie."""
    return search_folder / "allocations" / f"epoch_{epoch:04d}" / ranking


def plan_path(allocation: StoragePath, plan: str) -> StoragePath:
    """Return where a plan (see `aca_ray.channels.PlanKind.name`) lies in an allocation folder."""
    return allocation / f"plan_{plan}.json"
