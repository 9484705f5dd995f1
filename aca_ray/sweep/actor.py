"""The Ray actor that runs one trial after the other, each from where its folder says that it stands."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import torch

from aca_ray.pipeline.orders import Order, order_from_json
from aca_ray.pipeline.resumable import ResumableTrial
from aca_ray.storage import TrialRecord
from aca_ray.sweep.cluster import tune
from aca_ray.training import select_device

SLICE_SECONDS = 10.0  # Ray can pause or stop a trial only between slices


class TrialActor(tune.Trainable):  # type: ignore[misc]
    """Runs the trial that its config orders.

    Checkpoints are the trial's own, in its own folder: whatever process opens the folder next goes on from the newest
    one. So a worker that was killed, a new driver and a reused actor are all the same case, and nothing depends on
    Tune's experiment state, which lags behind and can be lost with the driver.
    """

    def setup(self, config: dict[str, Any]) -> None:
        """Open the trial of the config; a failure is kept for `step` to report, so that it is not tried again and again."""
        torch.set_num_threads(config["threads"])
        order = order_from_json(config["order"])
        self._folder = order.folder
        self._trial: ResumableTrial | None = None
        self._error: str | None = None
        try:
            self._trial = order.open(select_device(gpu=config["gpus"] > 0))
        except Exception:
            self._error = traceback.format_exc()
            _record_failure(order, self._error)

    def step(self) -> dict[str, Any]:
        """Work for one slice and say whether the trial is over, one way or the other."""
        if self._trial is not None:
            try:
                self._trial.advance(SLICE_SECONDS)
            except Exception:
                self._error = traceback.format_exc()
                self._trial.fail(self._error)
        finished = self._trial is not None and self._trial.finished
        return {"folder": str(self._folder), tune.result.DONE: finished or self._error is not None}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the trial in its own folder and leave a note of where that is."""
        if self._trial is not None and not self._trial.finished:
            self._trial.save()
        Path(checkpoint_dir, "folder.txt").write_text(str(self._folder))

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: `setup` has opened the folder, which knows better."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another trial in the same process."""
        self.setup(new_config)
        return True


def _record_failure(order: Order, error: str) -> None:
    record = TrialRecord.read(order.folder) or TrialRecord(
        kind=order.trial.kind,
        fingerprint=order.trial.fingerprint,
        trial=order.trial.to_json(),
        num_epochs=1,
    )
    record.state, record.error = "failed", error
    record.write(order.folder)
