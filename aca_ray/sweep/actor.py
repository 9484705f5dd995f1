"""The Ray actor that carries out one assignment after the other, each from where its folders say that it stands."""

from __future__ import annotations

import gc
import json
from typing import Any

import torch
from ray.train._internal.session import _TrainingResult

from aca_ray.pipeline.assignment import Assignment
from aca_ray.pipeline.orders import order_from_json
from aca_ray.sweep.cluster import ray, tune
from aca_ray.training import select_device

SLICE_SECONDS = 5.0  # Ray can pause or stop a trial only between slices


class TrialActor(tune.Trainable):
    """Carries out what its config orders: one trial, or searches that are computed together.

    Checkpoints are the trials' own, in their own folders: the process that opens a folder next continues from the
    newest one. So a worker that was killed, a new driver and a reused actor are all the same case. Tune keeps no
    checkpoints, and its experiment state, which lags behind, is never read.
    """

    _settled = False

    def setup(self, config: dict[str, Any]) -> None:
        """Take orders, without beginning to carry them out.

        Tune may start an actor for a trial, run that trial in a reused actor meanwhile, and then give the new actor
        another trial: so a folder is opened by the first step and not before.
        """
        torch.set_num_threads(config["threads"])
        self._orders = [order_from_json(order) for order in json.loads(config["orders"])]
        self._gpus = config["gpus"]
        self._assignment: Assignment | None = None

    def step(self) -> dict[str, Any]:
        """Work for one slice and say whether all is over, one way or the other."""
        if self._assignment is None:
            self._assignment = Assignment(self._orders, select_device(self._gpus))
        self._assignment.advance(SLICE_SECONDS)
        folders = [str(order.folder) for order in self._orders]
        node = ray.get_runtime_context().get_node_id()
        return {"folders": folders, "node": node, tune.result.DONE: self._assignment.over}

    def save(self, checkpoint_dir: str | None = None) -> _TrainingResult:
        """Save the trials in their own folders, and return that there is no checkpoint of Tune's to restore.

        Tune's checkpoints may hold pickled code, and the storage is writable for others than the sweep's owner.
        """
        self.cleanup()
        return _TrainingResult(checkpoint=None, metrics={})

    def restore(self, checkpoint_path: Any) -> None:
        """Read nothing, whatever is given: the first step opens the trials' own folders."""

    def cleanup(self) -> None:
        """Save the trials in their own folders, where they are not over."""
        assignment, self._assignment = self._assignment, None
        if assignment is not None:
            assignment.save()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take up other orders in the same process."""
        self.setup(new_config)
        if not self._settled:
            # The first trial is gone and has loaded all libraries: a look through them for garbage takes 0.3 s, one
            # every 70 small trials.
            gc.collect()
            gc.freeze()
            self._settled = True
        return True
