"""A trial in its folder: it can be killed anywhere and goes on from its newest checkpoint."""

from __future__ import annotations

import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

from aca_ray.errors import CheckpointError
from aca_ray.pipeline.layout import milestone_path
from aca_ray.pipeline.provenance import environment
from aca_ray.storage import CheckpointFolder, StoragePath, TrialRecord, write_checkpoint
from aca_ray.training import EpochLoop, EpochReport, EpochWork

CHECKPOINT_SECONDS = 60.0  # at most so much work of an unfinished epoch is lost; finished epochs never are


class ResumableTrial:
    """Runs the epochs of a trial and keeps its checkpoints, milestones and record.

    Args:
        folder: of the trial.
        record: a fresh record, used where the folder holds no checkpoint.
        work: what is done.
        milestones: epochs whose checkpoints are kept for good.
        describe: returns the record's fields that change with every epoch (genotype, mixing weights).
        result: returns what came out, given the record's rows, once all epochs are done.
    """

    def __init__(
        self,
        folder: StoragePath,
        record: TrialRecord,
        work: EpochWork,
        *,
        milestones: tuple[int, ...],
        describe: Callable[[], Mapping[str, Any]],
        result: Callable[[list[dict[str, Any]]], Mapping[str, Any]],
    ) -> None:
        self.folder = folder
        self.record = record
        self._loop = EpochLoop(work, record.num_epochs)
        self._milestones, self._describe, self._result = milestones, describe, result
        self._checkpoints = CheckpointFolder(folder / "checkpoints", record.fingerprint)
        self._last_write = time.monotonic()
        existing = TrialRecord.read(folder)
        if existing is not None and existing.fingerprint != record.fingerprint:
            raise CheckpointError(
                f"{folder}: holds trial {existing.fingerprint}, not {record.fingerprint}. Move it away and resume."
            )
        self._over = existing is not None and existing.state == "finished"
        if existing is not None and self._over:
            self.record = existing
            return
        # Without rolling ones, as after the end, a milestone is the newest: nothing is done twice.
        milestone_folder = CheckpointFolder(folder / "milestones", record.fingerprint)
        found = self._checkpoints.newest() or milestone_folder.newest()
        if found is not None:
            header, state = found
            self._loop.load_state_dict(state)
            self.record = TrialRecord(**header["record"])
            self.record.resumes += 1
            _check_same_data(folder, self.record, record)
        elif not (self._checkpoints.is_empty and milestone_folder.is_empty):
            raise CheckpointError(
                f"{folder}: none of its checkpoints can be used (the log says why). To begin the trial anew, move the "
                "folder away and resume."
            )
        self.record.state, self.record.error = "running", None
        self.record.device, self.record.threads = str(work.device), torch.get_num_threads()
        self.record.process = f"{socket.gethostname()}:{os.getpid()}"
        self.record.environment = environment()
        self.record.write(folder)

    @property
    def finished(self) -> bool:
        """Whether the trial is done; one that was done before is left as it is."""
        return self._over

    def advance(self, slice_seconds: float = math.inf) -> EpochReport | None:
        """Work for about so many seconds, at most to the end of the epoch; everything finished is on the disk after.

        Returns:
            The epoch if it ended.

        Raises:
            TrialError: the training diverged.
            StorageError: a file can't be written; the checkpoint before is intact.
        """
        if self._over:
            return None
        if self._loop.finished:  # killed between the last checkpoint and the record's last word
            self._finish()
            return None
        report = self._loop.advance(slice_seconds)
        if report is None:
            if time.monotonic() - self._last_write >= CHECKPOINT_SECONDS:
                self.save()
            return None
        row = {"epoch": report.epoch, "time_ms": time.time_ns() // 1_000_000, "metrics": report.metrics}
        self.record.rows.append(row)
        self.record.epoch = report.epoch
        self.record.seconds += report.metrics["time/epoch_seconds"]
        for name, value in self._describe().items():
            setattr(self.record, name, value)
        if report.epoch in self._milestones:
            self.record.milestones.append(report.epoch)
            path = milestone_path(self.folder, report.epoch)
            write_checkpoint(path, self._header(), self._loop.state_dict())
        self.save()
        if self._loop.finished:
            self._finish()
        else:
            self.record.write(self.folder)
        return report

    def save(self) -> None:
        """Write a rolling checkpoint of exactly now."""
        self._checkpoints.write(self._loop.epoch, self._loop.step, self._header(), self._loop.state_dict())
        self._last_write = time.monotonic()

    def fail(self, error: str) -> None:
        """Say in the record that the trial cannot go on; its checkpoints stay."""
        # The record on the disk, since the one in memory may tell of an epoch whose checkpoint could not be written.
        self.record = TrialRecord.read(self.folder) or self.record
        self.record.state, self.record.error = "failed", error
        self.record.write(self.folder)

    def _finish(self) -> None:
        self.record.state, self.record.result = "finished", self._result(self.record.rows)
        self.record.write(self.folder)
        self._over = True
        self._checkpoints.clear()  # the last milestone holds the same state

    def _header(self) -> dict[str, Any]:
        record = self.record.to_json()
        del record["schema"], record["version"]
        return {
            "kind": self.record.kind,
            "fingerprint": self.record.fingerprint,
            "trial": self.record.trial,
            "epoch": self._loop.epoch,
            "step": self._loop.step,
            "record": record,
        }


def _check_same_data(folder: StoragePath, before: TrialRecord, now: TrialRecord) -> None:
    """Raise CheckpointError when a trial would go on with other data than it began with."""
    was, is_now = (record.data_info["digest"] if record.data_info else None for record in (before, now))
    if was != is_now:
        raise CheckpointError(
            f"{folder}: the trial began with training data of digest {was}, and would go on with {is_now}. Bring the "
            "data back, or give the sweep another name."
        )
