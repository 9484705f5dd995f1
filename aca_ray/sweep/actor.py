"""The Ray actor that runs one trial after the other, each from where its folder says that it stands."""

from __future__ import annotations

import gc
import json
import traceback
from pathlib import Path
from typing import Any

import torch

from aca_ray.pipeline.orders import Order, order_from_json
from aca_ray.pipeline.resumable import ResumableTrial
from aca_ray.storage import TrialRecord
from aca_ray.sweep.cluster import ray, tune
from aca_ray.training import select_device

SLICE_SECONDS = 5.0  # Ray can pause or stop a trial only between slices


class TrialActor(tune.Trainable):
    """Runs the trial that its config orders.

    Checkpoints are the trial's own, in its own folder: whatever process opens the folder next goes on from the newest
    one. So a worker that was killed, a new driver and a reused actor are all the same case, and nothing depends on
    Tune's experiment state, which lags behind and can be lost with the driver.
    """

    _settled = False

    def setup(self, config: dict[str, Any]) -> None:
        """Take an order, without beginning to carry it out.

        Tune may start an actor for a trial, run that trial in a reused actor meanwhile, and then give the new actor
        another trial: so a folder is opened by the first step and not before.
        """
        torch.set_num_threads(config["threads"])
        self._order = order_from_json(json.loads(config["order"]))
        self._gpus = config["gpus"]
        self._trial: ResumableTrial | None = None

    def step(self) -> dict[str, Any]:
        """Work for one slice and say whether the trial is over, one way or the other.

        What the trial itself raises would come again at every new try, so it is recorded and ends the trial; only the
        death of the process has the trial tried again.
        """
        over = True
        try:
            if self._trial is None:
                self._trial = self._order.open(select_device(self._gpus))
            self._trial.advance(SLICE_SECONDS)
            over = self._trial.finished
        except Exception:
            self._fail(traceback.format_exc())
        node = ray.get_runtime_context().get_node_id()
        return {"folder": str(self._order.folder), "node": node, tune.result.DONE: over}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save the trial in its own folder, which belongs to whoever opens it next, and leave a note of where it is."""
        self.cleanup()
        Path(checkpoint_dir, "folder.txt").write_text(str(self._order.folder))

    def cleanup(self) -> None:
        """Save the trial in its own folder, where it is not over."""
        trial, self._trial = self._trial, None
        if trial is not None and not trial.finished:
            trial.save()

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Do nothing: the first step opens the folder, which knows better."""

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up another order in the same process."""
        self.setup(new_config)
        if not self._settled:
            # The first trial is gone and has loaded all libraries: a look through them for garbage takes 0.3 s, one
            # every 70 small trials.
            gc.collect()
            gc.freeze()
            self._settled = True
        return True

    def _fail(self, error: str) -> None:
        trial, self._trial = self._trial, None
        if trial is not None:
            trial.fail(error)
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
