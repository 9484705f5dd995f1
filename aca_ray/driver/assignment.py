"""The work of one process: one trial, or packed searches."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch

from aca_ray.packing import Member, Pack
from aca_ray.records import TrialRecord
from aca_ray.storage.patience import patiently
from aca_ray.sweep.orders import Order
from aca_ray.trials.looking_up import LookUp
from aca_ray.trials.new_record import new_record
from aca_ray.trials.resumable import ResumableTrial

logger = logging.getLogger(__name__)


class Assignment:
    """Carries out orders in slices of time.

    An exception of a trial would recur at every attempt, so it is recorded and ends that trial only.

    Args:
        orders: one order, or orders of searches to pack.
        device: device to compute on.
    """

    def __init__(self, orders: Sequence[Order], device: torch.device) -> None:
        self._pack = Pack(device, len(orders)) if len(orders) > 1 else None
        members = [None] if self._pack is None else self._pack.members
        self._trials = [_Trial(order, device, member) for order, member in zip(orders, members, strict=True)]

    @property
    def over(self) -> bool:
        """Whether every trial has finished or failed."""
        return all(trial.over for trial in self._trials)

    def advance(self, seconds: float) -> None:
        """Run every trial for about this many seconds; packed trials run at the same time."""
        stretches = [partial(trial.advance, seconds) for trial in self._trials]
        if self._pack is not None:
            self._pack.run(stretches)
        else:
            stretches[0]()

    def save(self) -> None:
        """Write checkpoints of the current state of all trials that are not over."""
        saves = [trial.save for trial in self._trials]
        if self._pack is not None:
            self._pack.run(saves)  # each with its own random states
        else:
            saves[0]()


class _Trial:
    """A trial that is opened when it first runs."""

    def __init__(self, order: Order, device: torch.device, member: Member | None) -> None:
        self._order, self._device, self._member = order, device, member
        self._trial: ResumableTrial[Any] | LookUp | None = None
        self.over = False

    def advance(self, seconds: float) -> None:
        if self.over:
            return
        try:
            if self._trial is None:
                self._trial = self._order.open(self._device, self._member)
            self._trial.advance(seconds)
            self.over = self._trial.finished
        except Exception:
            self._fail(traceback.format_exc())

    def save(self) -> None:
        if self._trial is None or self.over:
            return
        if self._continued_elsewhere(self._trial.record):
            logger.warning("%s: another process has carried this trial further; it is not saved", self._order.folder)
            return
        self._trial.save()

    def _continued_elsewhere(self, own: TrialRecord) -> bool:
        """Return whether the record on the disk is ahead, as after a driver was suspended and another took over."""
        found = patiently(partial(TrialRecord.read, self._order.folder))
        return found is not None and (found.state == "finished" or found.epoch > own.epoch)

    def _fail(self, error: str) -> None:
        self.over = True
        if self._trial is not None:
            self._trial.fail(error)
        else:
            record_failure(self._order, error)


def record_failure(order: Order, error: str) -> None:
    """Record the failure of a trial that is not open."""
    record = TrialRecord.read(order.folder) or new_record(order.trial)
    replace(record, state="failed", error=error).write(order.folder)
