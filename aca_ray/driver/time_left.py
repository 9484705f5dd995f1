"""How long a sweep still runs, from the epochs that its trials have finished."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from aca_ray.comparison.grouping import grouped
from aca_ray.display import TrialLine
from aca_ray.storage import StoragePath
from aca_ray.sweep.kinds import trial_kind
from aca_ray.sweep.orders import NetworkOrder, Order
from aca_ray.sweep.sweep_graph import relative_length
from aca_ray.trials.new_record import new_record


class TimeLeft:
    """The time that the trials of a sweep still take.

    The rule is that of `check --estimate`: epochs times seconds of an epoch, on the slots that are there. The seconds
    are those of the sweep itself, since steps measured in advance would delay it:

    1. of a trial that has finished an epoch, its own mean;
    2. of another trial, the mean over the trials of its kind (see `trial_kind`) that have finished one;
    3. of a kind without any, the mean of all epochs so far, in proportion to the operations that an epoch computes.

    The sweep lasts as long as all of this work, shared between the slots, but no shorter than its longest chain of a
    search and the training of what it finds. Look-ups and rankings take no time; a failed trial takes none any more.

    Args:
        orders: all trials of the sweep, searches first.
    """

    def __init__(self, orders: Sequence[Order]) -> None:
        self._kinds = {order.folder: kind for order in orders if (kind := trial_kind(order)) is not None}
        self._lengths = {order.folder: relative_length(order) for order in orders}
        self._epochs = {order.folder: new_record(order.trial).num_epochs for order in orders}

    def seconds(self, lines: Sequence[TrialLine], slots: int) -> float | None:
        """Return the seconds until the last trial ends; None before a trial has finished an epoch.

        Args:
            lines: progress of all trials, in the same order.
            slots: number of processes that run at once.
        """
        lines = [line for line in lines if line.order.folder in self._kinds]
        begun = [line for line in lines if line.epoch and line.seconds]
        if not begun:
            return None
        per_length = sum(line.seconds or 0.0 for line in begun) / sum(map(self._done, begun))
        by_kind = {
            kind: (fmean(map(_share, own)), max(line.packed for line in own))
            for kind, own in grouped(begun, lambda line: self._kinds[line.order.folder]).items()
        }
        work, longest = 0.0, 0.0
        ends: dict[StoragePath, float] = {}  # of searches, which come first
        for line in lines:
            order, folder = line.order, line.order.folder
            if line.state in {"finished", "failed"}:
                continue
            if line.epoch and line.seconds:
                share, packed = _share(line), line.packed
            else:
                by_length = per_length * self._lengths[folder] / self._epochs[folder]
                share, packed = by_kind.get(self._kinds[folder], (by_length, 1))
            own = share * (self._epochs[folder] - line.epoch)
            begins = ends.get(order.search_folder, 0.0) if isinstance(order, NetworkOrder) else 0.0
            ends[folder] = begins + packed * own
            work, longest = work + own, max(longest, ends[folder])
        return max(work / slots, longest)

    def _done(self, line: TrialLine) -> float:
        """Return the length of the finished epochs of a trial."""
        return self._lengths[line.order.folder] * line.epoch / self._epochs[line.order.folder]


def _share(line: TrialLine) -> float:
    """Return a trial's share of the seconds of an epoch of its process."""
    return (line.seconds or 0.0) / line.epoch
