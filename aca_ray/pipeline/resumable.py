"""A trial in its folder: it can be killed anywhere and goes on from its newest checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from aca_ray.errors import CheckpointError
from aca_ray.pipeline.cadence import Cadence
from aca_ray.pipeline.history import epoch_architecture
from aca_ray.pipeline.provenance import stamp
from aca_ray.records import TrialFolder, TrialRecord
from aca_ray.storage import CheckpointFolder, StoragePath, write_checkpoint
from aca_ray.storage.files import remove_leftovers
from aca_ray.storage.patience import PATIENCE_SECONDS, patiently
from aca_ray.training import EpochLoop, EpochReport, EpochWork


class ResumableTrial:
    """Runs the epochs of a trial and keeps its checkpoints, milestones and record.

    The record on the disk tells of what a checkpoint on the disk holds, and of nothing else: what is done again after a
    kill was never told of. So it lags behind the work as the checkpoints do; `Cadence` says how far.

    Args:
        folder: of the trial.
        record: a fresh record, used where the folder holds no checkpoint.
        work: what is done.
        milestones: epochs whose checkpoints are kept for good, the last among them; none where the result is all that
            there is to keep.
        describe: returns the record's fields that change with every epoch (genotype, mixing weights).
        result: returns what came out, given the record's rows, once all epochs are done.
        clock: returns the seconds that the trial has had so far, counted from any moment.
        num_sharing: how many trials share the time of their process, this one among them.
        patience_seconds: for how long a write that fails is tried again.
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
        clock: Callable[[], float] = time.perf_counter,
        num_sharing: int = 1,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.folder = folder
        self.record = record
        self.patience_seconds = patience_seconds
        self._num_sharing = num_sharing
        self._loop = EpochLoop(work, record.num_epochs, clock)
        self._milestones, self._describe, self._result = milestones, describe, result
        self._checkpoints = CheckpointFolder(TrialFolder(folder).checkpoints, record.fingerprint)
        remove_leftovers(folder)
        existing = TrialRecord.read(folder)
        if existing is not None and existing.fingerprint != record.fingerprint:
            raise CheckpointError(
                f"{folder}: holds trial {existing.fingerprint}, not {record.fingerprint}. Move it away and resume."
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
            self.record = TrialRecord.from_json(header["record"], self._checkpoints.folder)
            self.record.resumes += 1
            _check_same_data(folder, self.record, record)
        elif not (self._checkpoints.is_empty and milestone_folder.is_empty):
            raise CheckpointError(
                f"{folder}: none of its checkpoints can be used (the log says why). To begin the trial anew, move the "
                "folder away and resume."
            )
        self.record.state, self.record.error = "running", None
        stamp(self.record, work.device)
        self._cadence = Cadence(**self.record.checkpointing or {})
        self._write_record()

    @property
    def finished(self) -> bool:
        """Whether the trial is done; one that was done before is left as it is."""
        return self._over

    def advance(self, slice_seconds: float = math.inf) -> EpochReport | None:
        """Work for about so many seconds, at most until the epoch ends or a checkpoint has to be written, and write it.

        Returns:
            The epoch if it ended.

        Raises:
            TrialError: the training diverged.
            StorageError: a file can't be written, and could not for as long as patience lasts; the checkpoint before is
                intact.
        """
        if self._over:
            return None
        if self._loop.finished:  # killed between the last checkpoint and the record's last word
            self._finish()
            return None
        before = self._loop.seconds
        # What a preemption loses is counted in time that passes, of which the trial has only its share.
        sharing = self._num_sharing
        report = self._loop.advance(min(slice_seconds, self._cadence.seconds_left) / sharing)
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
        """Write a rolling checkpoint of exactly now, and the record."""
        self._save(
            lambda: self._checkpoints.write(self._loop.epoch, self._loop.step, self._header(), self._loop.state_dict())
        )

    def fail(self, error: str) -> None:
        """Say in the record that the trial cannot go on; its checkpoints stay."""
        # The record on the disk, since the one in memory may tell of an epoch that no checkpoint holds.
        self.record = TrialRecord.read(self.folder) or self.record
        self.record.state, self.record.error = "failed", error
        self._write_record()

    def _note(self, report: EpochReport) -> None:
        """Put a finished epoch into the record in memory."""
        row = {"epoch": report.epoch, "time_ms": time.time_ns() // 1_000_000, "metrics": report.metrics}
        for name, value in self._describe().items():
            setattr(self.record, name, value)
        if self.record.genotype is not None and self.record.alphas is not None:
            row["architecture"] = epoch_architecture(self.record.genotype, self.record.alphas, self.record.rows)
        self.record.rows.append(row)
        self.record.epoch = report.epoch
        self.record.seconds += report.metrics["time/epoch_seconds"]
        if report.epoch in self._milestones:
            self.record.milestones.append(report.epoch)

    def _save(self, write: Callable[[], object]) -> None:
        """Write a checkpoint, then the record, and count the seconds that it took without any waiting."""

        def save() -> float:
            start = time.perf_counter()
            write()
            if not self._loop.finished:  # else the record follows at once, with the result
                self.record.write(self.folder)
            return time.perf_counter() - start

        self._cadence.saved(patiently(save, self.patience_seconds))
        self.record.checkpointing = asdict(self._cadence)

    def _write_record(self) -> None:
        patiently(lambda: self.record.write(self.folder), self.patience_seconds)

    def _finish(self) -> None:
        self.record.state, self.record.result = "finished", self._result(self.record.rows)
        self._write_record()
        self._over = True
        patiently(self._checkpoints.clear, self.patience_seconds)  # the last milestone holds the same state

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
