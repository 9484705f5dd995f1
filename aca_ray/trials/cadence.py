"""How often a trial writes checkpoints: a bounded share of its time, and a bound on the work that can be lost."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from aca_ray.records import Checkpointing

MAX_SHARE = 0.02  # share of training time that checkpoints may take
MAX_LOST_SECONDS = 120.0  # work that a preemption may lose; or one epoch, if that is longer


@dataclass
class Cadence:
    """Decides after every slice of work whether a checkpoint is due, from the cost of earlier checkpoints.

    A checkpoint is due after cost / MAX_SHARE seconds of work. It is due earlier if a preemption could otherwise lose
    more than MAX_LOST_SECONDS and more than an epoch: the limit on lost work overrides the limit on cost. Until the
    cost is known, a checkpoint is also due at the end of the first epoch.

    All times are seconds of training: time in which the trial does not run does not count.

    Attributes:
        num_saves: number of checkpoints written.
        saving_seconds: total time spent writing them.
        training_seconds: total work saved in them.
        longest_seconds: longest work between two of them.
        cost_seconds: estimated cost of a checkpoint, None before the first: the cost of the last one or, if costs
            fall, the mean of the last cost and the previous estimate.
        epoch_seconds: duration of the last epoch, or of the current one once that is longer.
        work_seconds: work since the last checkpoint.
    """

    num_saves: int = 0
    saving_seconds: float = 0.0
    training_seconds: float = 0.0
    longest_seconds: float = 0.0
    cost_seconds: float | None = None
    epoch_seconds: float = 0.0
    work_seconds: float = 0.0

    @staticmethod
    def of(recorded: Checkpointing | None) -> Cadence:
        """Return the cadence of a record; a new one before the first checkpoint."""
        return Cadence() if recorded is None else Cadence(**vars(recorded))

    def recorded(self) -> Checkpointing:
        """Return the form for a record."""
        return Checkpointing(**asdict(self))

    @property
    def interval_seconds(self) -> float:
        """Work after which a checkpoint is due."""
        return MAX_LOST_SECONDS if self.cost_seconds is None else min(self.cost_seconds / MAX_SHARE, self._limit)

    @property
    def seconds_left(self) -> float:
        """Work left before a checkpoint is due regardless of its cost."""
        return self._limit - self.work_seconds

    @property
    def _limit(self) -> float:
        return max(MAX_LOST_SECONDS, self.epoch_seconds)

    def worked(self, seconds: float, epoch_seconds: float, *, epoch_ended: bool) -> bool:
        """Count a slice of work and return whether a checkpoint is due now.

        Args:
            seconds: duration of the slice, at most about `seconds_left`.
            epoch_seconds: duration of its epoch so far.
            epoch_ended: whether the epoch ended with the slice.
        """
        self.work_seconds += seconds
        self.epoch_seconds = epoch_seconds if epoch_ended else max(self.epoch_seconds, epoch_seconds)
        return self.work_seconds >= self.interval_seconds or (self.cost_seconds is None and epoch_ended)

    def saved(self, seconds: float) -> None:
        """Count a checkpoint that took this many seconds."""
        before = seconds if self.cost_seconds is None else self.cost_seconds
        self.cost_seconds = max(seconds, (before + seconds) / 2)
        self.num_saves += 1
        self.saving_seconds += seconds
        self.training_seconds += self.work_seconds
        self.longest_seconds = max(self.longest_seconds, self.work_seconds)
        self.work_seconds = 0.0
