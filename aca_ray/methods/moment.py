"""The point that a search has reached in its schedules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Moment:
    """A step of a search, as its schedules see it.

    Attributes:
        epoch: 0-based epoch of the search.
        num_epochs: length of the search.
        stage: 0-based stage of the search.
        stage_start: epoch in which the stage began.
        stage_epochs: length of the stage.
        step_seed: seed of draws that the two updates of a step share; differs from step to step.
        starts: epochs in which a stage began, ascending, the last one `stage_start`.
    """

    epoch: int
    num_epochs: int
    stage: int = 0
    stage_start: int = 0
    stage_epochs: int = 0
    step_seed: int = 0
    starts: tuple[int, ...] = (0,)

    @property
    def progress(self) -> float:
        """Share of the search's epochs that are over, in [0, 1)."""
        return self.epoch / self.num_epochs

    @property
    def ramp(self) -> float:
        """0 in the first epoch, 1 in the last, linear between them; 0 in a search of one epoch."""
        return self.epoch / max(1, self.num_epochs - 1)

    @property
    def stage_epoch(self) -> int:
        """Number of the stage's epochs that are over."""
        return self.epoch - self.stage_start

    @property
    def stage_progress(self) -> float:
        """Share of the stage's epochs that are over, in [0, 1)."""
        return self.stage_epoch / self.stage_epochs


def moment_at(epoch: int, num_epochs: int, lengths: Sequence[int], step_seed: int = 0) -> Moment:
    """Return the moment of an epoch in a search whose stages have the given lengths at the paper's budget.

    Stages scale with the budget: one that the paper begins at epoch p of P begins at epoch floor(p * num_epochs / P).
    With short budgets, some stages may have no epoch.
    """
    total = sum(lengths)
    bounds = [sum(lengths[:stage]) * num_epochs // total for stage in range(len(lengths) + 1)]
    stage = max(index for index, start in enumerate(bounds[:-1]) if start <= epoch)
    starts = tuple(sorted(set(bounds[: stage + 1])))
    return Moment(epoch, num_epochs, stage, bounds[stage], bounds[stage + 1] - bounds[stage], step_seed, starts)
