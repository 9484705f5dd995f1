"""What a process was ordered to do: one trial, or searches that are computed together."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from functools import partial

import torch

from aca_ray.pipeline.looking_up import LookUp
from aca_ray.pipeline.orders import Order
from aca_ray.pipeline.resumable import ResumableTrial
from aca_ray.records import TrialRecord
from aca_ray.search.together import Together


class Assignment:
    """Carries out orders stretch by stretch.

    What a trial raises would come again at every new try, so it is recorded, ends that trial and no other.

    Args:
        orders: for one trial, or for searches.
        device: where to compute.
    """

    def __init__(self, orders: Sequence[Order], device: torch.device) -> None:
        self._together = Together(device, len(orders)) if len(orders) > 1 else None
        self._trials = [_Trial(order, device, self._together) for order in orders]

    @property
    def over(self) -> bool:
        """Whether every trial is over, one way or the other."""
        return all(trial.over for trial in self._trials)

    def advance(self, seconds: float) -> None:
        """Work on every trial for about so many seconds, on several of them at once."""
        stretches = [partial(trial.advance, seconds) for trial in self._trials]
        if self._together is not None:
            self._together.run(stretches)
        else:
            stretches[0]()

    def save(self) -> None:
        """Write checkpoints of exactly now of all trials that are not over."""
        for trial in self._trials:
            trial.save()


class _Trial:
    """A trial, opened by its first stretch and not before."""

    def __init__(self, order: Order, device: torch.device, together: Together | None) -> None:
        self._order, self._device, self._together = order, device, together
        self._trial: ResumableTrial | LookUp | None = None
        self.over = False

    def advance(self, seconds: float) -> None:
        if self.over:
            return
        try:
            if self._trial is None:
                self._trial = self._order.open(self._device, self._together)
            self._trial.advance(seconds)
            self.over = self._trial.finished
        except Exception:
            self._fail(traceback.format_exc())

    def save(self) -> None:
        if self._trial is not None and not self.over:
            self._trial.save()

    def _fail(self, error: str) -> None:
        self.over = True
        if self._trial is not None:
            self._trial.fail(error)
        else:
            record_failure(self._order, error)


def record_failure(order: Order, error: str) -> None:
    """Say in the record of a trial that nobody has open that it cannot go on."""
    record = TrialRecord.read(order.folder) or TrialRecord(
        kind=order.trial.kind,
        fingerprint=order.trial.fingerprint,
        trial=order.trial.to_json(),
        num_epochs=1,
    )
    record.state, record.error = "failed", error
    record.write(order.folder)
