"""When a trial writes a checkpoint: seldom enough to cost little, often enough to lose little."""

from __future__ import annotations

from dataclasses import dataclass

MAX_SHARE = 0.02  # of training time, for checkpoints
MAX_LOST_SECONDS = 120.0  # of work that a preemption may lose, or one epoch if that is longer


@dataclass
class Cadence:
    """Says after every stretch of work whether a checkpoint is due, by what the ones before have cost.

    One is due once the work since the last is worth its cost: cost / MAX_SHARE. Where a preemption could then lose more
    than MAX_LOST_SECONDS and more than an epoch, one is due before that: the limit on what is lost wins over the limit
    on cost. As long as the cost is not known, one is due at the end of the first epoch, if that is earlier.

    All times are in seconds, and training time: time in which a trial does not work does not count.

    Attributes:
        num_saves: checkpoints written.
        saving_seconds: time that they took.
        training_seconds: work that they hold.
        longest_seconds: the most work that lay between two of them.
        cost_seconds: what one costs now, or None before the first: the last one, or where they get cheaper a mean in
            which every earlier one counts half as much as the one after it.
        epoch_seconds: how long the last epoch took, or the one under way if that is longer already.
        work_seconds: work since the last checkpoint.
    """

    num_saves: int = 0
    saving_seconds: float = 0.0
    training_seconds: float = 0.0
    longest_seconds: float = 0.0
    cost_seconds: float | None = None
    epoch_seconds: float = 0.0
    work_seconds: float = 0.0

    @property
    def interval_seconds(self) -> float:
        """After how much work a checkpoint is due."""
        return MAX_LOST_SECONDS if self.cost_seconds is None else min(self.cost_seconds / MAX_SHARE, self._limit)

    @property
    def seconds_left(self) -> float:
        """Work that can be done before a checkpoint is due whatever it costs."""
        return self._limit - self.work_seconds

    @property
    def _limit(self) -> float:
        return max(MAX_LOST_SECONDS, self.epoch_seconds)

    def worked(self, seconds: float, epoch_seconds: float, *, epoch_ended: bool) -> bool:
        """Count a stretch of work and return whether a checkpoint is due now.

        Args:
            seconds: how long it took, about `seconds_left` at most.
            epoch_seconds: how long its epoch has taken so far.
            epoch_ended: whether the epoch ended with it.
        """
        self.work_seconds += seconds
        self.epoch_seconds = epoch_seconds if epoch_ended else max(self.epoch_seconds, epoch_seconds)
        return self.work_seconds >= self.interval_seconds or (self.cost_seconds is None and epoch_ended)

    def saved(self, seconds: float) -> None:
        """Count a checkpoint that took so long."""
        before = seconds if self.cost_seconds is None else self.cost_seconds
        self.cost_seconds = max(seconds, (before + seconds) / 2)
        self.num_saves += 1
        self.saving_seconds += seconds
        self.training_seconds += self.work_seconds
        self.longest_seconds = max(self.longest_seconds, self.work_seconds)
        self.work_seconds = 0.0
