"""The Ray actor that runs one assignment after another, each resumed from the state in its folders."""

from __future__ import annotations

import gc
import json
from typing import Any

import torch
from ray.train._internal.session import _TrainingResult

from aca_ray.cluster.session import ray, tune
from aca_ray.driver.assignment import Assignment
from aca_ray.sweep.orders import order_from_json
from aca_ray.training import select_device

SLICE_SECONDS = 5.0  # Ray can pause or stop a trial only between slices


class TrialActor(tune.Trainable):
    """Runs the orders in its config: one trial, or several packed searches.

    Trials keep their checkpoints in their own folders, and the next process that opens a folder continues from the
    newest one. A killed worker, a new driver and a reused actor are therefore the same case. Tune keeps no checkpoints,
    and its experiment state, which lags behind, is never read.
    """

    _settled = False

    def setup(self, config: dict[str, Any]) -> None:
        """Read the orders without starting them.

        Tune may start an actor for a trial, run that trial in a reused actor meanwhile, and then give the new actor
        another trial. Only the first step therefore opens a folder.
        """
        torch.set_num_threads(config["threads"])
        self._orders = [order_from_json(order) for order in json.loads(config["orders"])]
        self._gpus = config["gpus"]
        self._assignment: Assignment | None = None

    def step(self) -> dict[str, Any]:
        """Work for one slice and report whether all trials have ended, finished or failed."""
        if self._assignment is None:
            self._assignment = Assignment(self._orders, select_device(self._gpus))
        self._assignment.advance(SLICE_SECONDS)
        folders = [str(order.folder) for order in self._orders]
        node = ray.get_runtime_context().get_node_id()
        return {"folders": folders, "node": node, tune.result.DONE: self._assignment.over}

    def save(self, checkpoint_dir: str | None = None) -> _TrainingResult:
        """Save the trials in their own folders, and return no checkpoint for Tune to restore.

        Checkpoints of Tune may contain pickled code, and users other than the owner of the sweep may be able to write
        to the storage.
        """
        self.cleanup()
        return _TrainingResult(checkpoint=None, metrics={})

    def restore(self, checkpoint_path: Any) -> None:
        """Ignore the checkpoint: the first step opens the trials' own folders."""

    def cleanup(self) -> None:
        """Save the trials that have not ended in their own folders."""
        assignment, self._assignment = self._assignment, None
        if assignment is not None:
            assignment.save()

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Read other orders in the same process."""
        self.setup(new_config)
        if not self._settled:
            # The first trial has ended and has loaded all libraries. Each garbage collection over them takes 0.3 s, and
            # there is one every 70 small trials.
            gc.collect()
            gc.freeze()
            self._settled = True
        return True
