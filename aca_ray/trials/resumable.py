"""A trial in its folder: it can be killed at any time and resumes from its newest checkpoint."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Generic, TypeVar

from aca_ray.errors import CheckpointError, StorageError
from aca_ray.records import Row, TrialFolder, TrialRecord
from aca_ray.records.record import Result
from aca_ray.storage import CheckpointFolder, StoragePath, write_checkpoint
from aca_ray.storage.files import remove_leftovers
from aca_ray.storage.patience import PATIENCE_SECONDS, patiently
from aca_ray.training import EpochLoop, EpochReport, EpochWork
from aca_ray.trials.cadence import Cadence
from aca_ray.trials.machine import MachineMeter
from aca_ray.trials.provenance import stamp

logger = logging.getLogger(__name__)

Record = TypeVar("Record", bound=TrialRecord)


class ResumableTrial(Generic[Record]):
    """Runs the epochs of a trial and writes its checkpoints, milestones and record.

    The record on the disk describes the newest checkpoint on the disk and no later work, so that work repeated after a
    kill was never reported. It lags behind the work as the checkpoints do; `Cadence` bounds the lag.

    Args:
        folder: folder of the trial.
        record: new record, used if the folder has no checkpoint.
        work: work of the epochs.
        milestones: epochs whose checkpoints are kept permanently, including the last; empty if only the result is kept.
        extend: returns the record with the row of a finished epoch, and whatever else of it describes the epoch.
        result: returns the result of the record of all epochs.
        clock: returns the seconds that the trial has run, from an arbitrary origin.
        num_sharing: number of trials that share the time of the process, including this one.
        patience_seconds: how long failed writes are retried.
    """

    def __init__(
        self,
        folder: StoragePath,
        record: Record,
        work: EpochWork,
        *,
        milestones: tuple[int, ...],
        extend: Callable[[Record, Row], Record],
        result: Callable[[Record], Result],
        clock: Callable[[], float] = time.perf_counter,
        num_sharing: int = 1,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.folder = folder
        self.record = record
        self.patience_seconds = patience_seconds
        self._num_sharing = num_sharing
        self._loop = EpochLoop(work, record.num_epochs, clock)
        self._milestones, self._extend, self._result = milestones, extend, result
        self._checkpoints = CheckpointFolder(TrialFolder(folder).checkpoints, record.fingerprint)
        remove_leftovers(folder)
        existing = type(record).read(folder)
        if existing is not None and existing.fingerprint != record.fingerprint:
            raise CheckpointError(
                f"{folder}: must contain trial {record.fingerprint}, found trial {existing.fingerprint}. Move it away "
                "and resume."
            )
        self._over = existing is not None and existing.state == "finished"
        if existing is not None and self._over:
            self.record = existing
            return
        milestone_folder = CheckpointFolder(TrialFolder(folder).milestones, record.fingerprint)
        found = [newest for kept in (self._checkpoints, milestone_folder) if (newest := kept.newest()) is not None]
        if found:
            header, state = max(found, key=lambda checkpoint: (checkpoint[0]["epoch"], checkpoint[0]["step"]))
            self._loop.load_state_dict(state)
            before = type(record).from_json(header["record"], self._checkpoints.folder)
            _check_same_data(folder, before, record)
            self.record = replace(before, resumes=before.resumes + 1)
        elif not (self._checkpoints.is_empty and milestone_folder.is_empty):
            raise CheckpointError(
                f"{folder}: none of its checkpoints can be used (see the log). To restart the trial, move the folder "
                "away and resume."
            )
        self.record = stamp(replace(self.record, state="running", error=None), work.device)
        self._cadence = Cadence.of(self.record.checkpointing)
        self._machine = MachineMeter.of(work.device)
        self._write_record()

    @property
    def finished(self) -> bool:
        """Whether the trial is finished; an earlier result is kept."""
        return self._over

    def advance(self, slice_seconds: float = math.inf) -> EpochReport | None:
        """Work for about this many seconds, at most until the epoch ends or a checkpoint is due, which is then written.

        Returns:
            The report of the epoch if it ended, else None.

        Raises:
            TrialError: the training diverged.
            StorageError: a file can't be written, even after retries for `patience_seconds`; the previous checkpoint
                is intact.
        """
        if self._over:
            return None
        if self._loop.finished:  # killed between the last checkpoint and the final record
            self._finish()
            return None
        before = self._loop.seconds
        # Lost work is counted in wall time, of which the trial has only its share.
        sharing = self._num_sharing
        report = self._loop.advance(min(slice_seconds, self._cadence.seconds_left) / sharing)
        self._machine.sample()
        so_far = self._loop.seconds if report is None else report.metrics["time/epoch_seconds"]
        due = self._cadence.worked(sharing * (so_far - before), sharing * so_far, epoch_ended=report is not None)
        if report is not None:
            self._note(report)
        if report is not None and report.epoch in self._milestones:
            path = TrialFolder(self.folder).milestone(report.epoch)
            self._save(lambda: write_checkpoint(path, self._header(), self._loop.state_dict()))
        elif due and not self._loop.finished:
            self.save()
        if self._loop.finished:
            self._finish()
        return report

    def save(self) -> None:
        """Write a rolling checkpoint of the current state, and the record."""
        self._save(
            lambda: self._checkpoints.write(self._loop.epoch, self._loop.step, self._header(), self._loop.state_dict())
        )

    def fail(self, error: str) -> None:
        """Record that the trial failed; its checkpoints stay."""
        # The record on the disk, since the one in memory may include an epoch that is in no checkpoint.
        before = type(self.record).read(self.folder) or self.record
        self.record = replace(before, state="failed", error=error)
        self._write_record()

    def _note(self, report: EpochReport) -> None:
        """Add a finished epoch to the record in memory."""
        record, reached = self.record, [report.epoch] if report.epoch in self._milestones else []
        metrics = {**report.metrics, **self._machine.end_epoch()}
        self.record = replace(
            self._extend(record, Row(report.epoch, time.time_ns() // 1_000_000, metrics)),
            epoch=report.epoch,
            seconds=record.seconds + report.metrics["time/epoch_seconds"],
            milestones=(*record.milestones, *reached),
        )

    def _save(self, write: Callable[[], object]) -> None:
        """Write a checkpoint, then the record, and count the time of the successful attempt."""

        def save() -> float:
            start = time.perf_counter()
            write()
            if not self._loop.finished:  # else the final record follows at once
                self.record.write(self.folder)
            return time.perf_counter() - start

        self._cadence.saved(patiently(save, self.patience_seconds))
        self.record = replace(self.record, checkpointing=self._cadence.recorded())

    def _write_record(self) -> None:
        patiently(lambda: self.record.write(self.folder), self.patience_seconds)

    def _finish(self) -> None:
        self.record = replace(self.record, state="finished", result=self._result(self.record))
        self._write_record()
        self._over = True
        try:
            patiently(self._checkpoints.clear, self.patience_seconds)  # the last milestone has the same state
        except (StorageError, OSError) as error:
            logger.warning("the trial has finished; its rolling checkpoints are left for `aca-ray gc`: %s", error)

    def _header(self) -> dict[str, Any]:
        record = self.record.to_json()
        del record["schema"], record["version"]
        return {
            "kind": self.record.kind,
            "fingerprint": self.record.fingerprint,
            "trial": self.record.trial.to_json(),
            "epoch": self._loop.epoch,
            "step": self._loop.step,
            "record": record,
        }


def _check_same_data(folder: StoragePath, before: TrialRecord, now: TrialRecord) -> None:
    """Raise CheckpointError if a trial would resume with different data."""
    was, is_now = (record.data_info.digest if record.data_info else None for record in (before, now))
    if was != is_now:
        raise CheckpointError(
            f"{folder}: the training data must be the same as at the start of the trial (digest {was}), found digest "
            f"{is_now}. Restore the data, or give the sweep another name."
        )
