"""Progress of the trials of a sweep, read from their records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from aca_ray.columns import in_columns
from aca_ray.errors import AcaRayError
from aca_ray.records import SearchRow, TrialRecord
from aca_ray.sweep.orders import Order, SearchOrder
from aca_ray.trials.cadence import Cadence

COLUMNS = ("trial", "kind", "method", "skip", "seed", "budget", "state", "epoch", "loss", "accuracy", "skips", "left")
RIGHT = {"seed", "budget", "epoch", "loss", "accuracy", "skips", "left"}


@dataclass(frozen=True)
class TrialLine:
    """Progress of one trial.

    Attributes:
        order: order of the trial.
        state: waiting, running, finished, failed, or unreadable if its record is damaged.
        epoch: number of finished epochs.
        num_epochs: total number of epochs, or None before the trial has started.
        loss: loss of the last epoch on its held-out split, or None.
        accuracy: accuracy on that split, in [0, 1], or None.
        skips: number of skip connections in the current genotype, or None.
        seconds_left: estimate from the mean duration of an epoch, or None.
        cadence: cadence of its checkpoints, or None before it is measured.
        problem: problem of the record of an unreadable trial, else None.
        metrics: measurements of the last epoch by name.
        seconds: time spent in finished epochs, or None before the trial has started; of packed searches, its share.
        packed: number of searches that share its process.
        error: last line of the error of a failed trial, else None.
    """

    order: Order
    state: str = "waiting"
    epoch: int = 0
    num_epochs: int | None = None
    loss: float | None = None
    accuracy: float | None = None
    skips: int | None = None
    seconds_left: float | None = None
    cadence: Cadence | None = None
    problem: str | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float | None = None
    packed: int = 1
    error: str | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the texts of the columns."""
        trial = self.order.trial
        epochs = "" if self.num_epochs is None else f"{self.epoch}/{self.num_epochs}"
        return (
            trial.short,
            kind_of(self.order),
            trial.method,
            trial.skip,
            str(trial.seed),
            str(trial.epochs),
            self.state,
            epochs,
            "" if self.loss is None else f"{self.loss:.3f}",
            "" if self.accuracy is None else f"{100 * self.accuracy:.1f} %",
            "" if self.skips is None else str(self.skips),
            "" if self.seconds_left is None else clock(self.seconds_left),
        )


def kind_of(order: Order) -> str:
    """Return `search`, or action and network such as `retrain sign/random`; names of rankers would be too wide."""
    if isinstance(order, SearchOrder):
        return "search"
    trial = order.trial
    network = "/".join(name for name in (trial.allocation, trial.control) if name)
    return f"{'retrain' if trial.kind == 'retraining' else 'look up'} {network or 'plain'}"


@dataclass(frozen=True)
class Progress:
    """All trials of a sweep, in order."""

    lines: tuple[TrialLine, ...]

    def summary(self) -> str:
        """Return the number of trials by state, as one sentence."""
        states = [line.state for line in self.lines]
        order = ("finished", "running", "waiting", "failed", "unreadable")
        parts = [f"{states.count(state)} {state}" for state in order if state in states]
        return f"{len(states)} trials: {', '.join(parts)}"

    @property
    def problems(self) -> tuple[str, ...]:
        """Problems of the records of unreadable trials."""
        return tuple(line.problem for line in self.lines if line.problem is not None)

    def checkpoints(self) -> str | None:
        """Return a sentence on cost and interval of checkpoints and on work at risk; None if none was written."""
        cadences = [line.cadence for line in self.lines if line.cadence is not None]
        training = sum(cadence.training_seconds for cadence in cadences)
        num_saves = sum(cadence.num_saves for cadence in cadences)
        if not training or not num_saves:
            return None
        share = sum(cadence.saving_seconds for cadence in cadences) / training
        every = training / num_saves
        ahead = (line.cadence.interval_seconds for line in self.lines if line.cadence and line.state == "running")
        lost = max([*ahead, *(cadence.longest_seconds for cadence in cadences)])
        return (
            f"checkpoints: {100 * share:.1f} % of training time, one every {every:.1f} s; "
            f"a preemption loses at most {lost:.1f} s"
        )


def read_line(order: Order) -> TrialLine:
    """Return the progress of a trial; a record that can't be read makes only its own trial unreadable."""
    try:
        record = TrialRecord.read(order.folder)
    except AcaRayError as error:
        return TrialLine(order, state="unreadable", problem=str(error))
    if record is None:
        return TrialLine(order)
    last = record.rows[-1] if record.rows else None
    sharing = record.packed.searches if record.packed else 1
    mean_epoch = sharing * record.seconds / record.epoch if record.epoch else None
    skips = last.skip_count if isinstance(last, SearchRow) else None
    return TrialLine(
        order,
        state=record.state,
        epoch=record.epoch,
        num_epochs=record.num_epochs,
        loss=None if last is None else last.loss,
        accuracy=None if last is None else last.accuracy,
        skips=None if skips is None else int(skips),
        seconds_left=(
            mean_epoch * (record.num_epochs - record.epoch) if mean_epoch and record.state == "running" else None
        ),
        cadence=None if record.checkpointing is None else Cadence.of(record.checkpointing),
        metrics={} if last is None else last.metrics,
        seconds=record.seconds,
        packed=sharing,
        error=" ".join((record.error or "").strip().splitlines()[-1:]) or None,
    )


def read_progress(orders: Sequence[Order]) -> Progress:
    """Return the progress of trials, read from the disk."""
    return Progress(tuple(read_line(order) for order in orders))


def progress_lines(lines: Sequence[TrialLine]) -> list[str]:
    """Return the lines of a table, header first."""
    rows = [COLUMNS, *(line.cells() for line in lines)]
    return in_columns(rows, right=[index for index, name in enumerate(COLUMNS) if name in RIGHT])


def most_interesting(lines: Sequence[TrialLine], room: int) -> list[TrialLine]:
    """Return the lines that fit, in their order; running trials take precedence, then failed, waiting, finished."""
    if len(lines) <= room:
        return list(lines)
    rank = {"running": 0, "failed": 1, "unreadable": 1, "waiting": 2, "finished": 3}
    chosen = sorted(range(len(lines)), key=lambda index: (rank[lines[index].state], index))[:room]
    return [lines[index] for index in sorted(chosen)]


def sweep_time(seconds: float, left: float | None) -> str:
    """Return how long a sweep has run and will run, such as `1:00 so far, about 2:00 left`."""
    return f"{clock(seconds)} so far" + ("" if left is None else f", about {clock(left)} left")


def clock(seconds: float) -> str:
    """Return a duration as h:mm:ss or m:ss."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
