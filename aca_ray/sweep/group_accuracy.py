"""The accuracies of a network's group: all networks of its sweep that differ only in their seeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from aca_ray.comparison import NetworkRow
from aca_ray.comparison.arms import Arm, arm_of
from aca_ray.comparison.kinds import Kind, group_of, kind_of
from aca_ray.comparison.rows import SweepRows
from aca_ray.errors import AcaRayError
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.rows import rows_of


@dataclass(frozen=True)
class GroupAccuracy:
    """The accuracy of one network among those of its group.

    Attributes:
        kind: kind of the networks.
        arm: statistics over the search seeds of the group.
        networks: the networks of the group.
        own: the network.
        unfinished: number of trials of the sweep that were not finished, some of which may belong to the group.
    """

    kind: Kind
    arm: Arm
    networks: tuple[NetworkRow, ...]
    own: NetworkRow
    unfinished: int

    @property
    def is_best_of_several(self) -> bool:
        """Whether no other network of the group has a higher accuracy, and there are others."""
        return len(self.networks) > 1 and self.own.test_accuracy == max(row.test_accuracy for row in self.networks)


class SweepAccuracies:
    """The accuracies of a sweep; its records are read once, when they are first needed.

    Attributes:
        sweep: the sweep.
    """

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    @cached_property
    def _rows(self) -> SweepRows | None:
        """The rows of the sweep, or None if a record can't be read: a network can be exported nevertheless."""
        try:
            return rows_of(self.sweep)
        except AcaRayError:
            return None

    @property
    def are_known(self) -> bool:
        """Whether all records of the sweep could be read."""
        return self._rows is not None

    def of(self, fingerprint: str) -> GroupAccuracy | None:
        """Return the accuracy of a retrained or looked-up network in its group, or None if it is unknown."""
        rows = self._rows
        own = next((row for row in rows.networks if row.fingerprint == fingerprint), None) if rows else None
        if rows is None or own is None:
            return None
        same = tuple(row for row in rows.networks if group_of(row) == group_of(own) and kind_of(row) == kind_of(own))
        return GroupAccuracy(kind_of(own), arm_of(kind_of(own), same), same, own, rows.unfinished)
