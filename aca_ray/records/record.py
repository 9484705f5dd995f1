"""The record of a trial: its state and results, in the one JSON file that all other processes read.

The process that runs the trial writes the record right after the checkpoint that it describes. So a kill never undoes
anything that a record reports. Epochs since the last checkpoint are not in it yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aca_ray.errors import MalformedFileError, StorageError
from aca_ray.records.layout import TrialFolder
from aca_ray.storage.bounded import RECORD_BYTES, read_json_object
from aca_ray.storage.files import write_json
from aca_ray.storage.objects import StoragePath

SCHEMA = "aca_ray.record"
VERSION = 1
FIX = "move the file away and resume the sweep: the record is restored from the trial's checkpoint"

State = Literal["running", "finished", "failed"]
Kind = Literal["search", "evaluation"]


@dataclass
class TrialRecord:
    """State and results of a trial.

    Attributes:
        kind: search or evaluation (a retraining or a look-up).
        fingerprint: identity of the trial, 64 hexadecimal digits.
        trial: spec of the trial as JSON.
        num_epochs: total number of epochs.
        state: running (or killed while running), finished, or failed.
        epoch: number of finished epochs.
        rows: one per finished epoch: {"epoch", "time_ms", "metrics"}, in a search also "architecture"; in a look-up,
            one per epoch of its search whose cell is looked up.
        milestones: epochs whose milestone checkpoint is written.
        genotype: current genotype of a search, or the retrained one, as JSON.
        alphas: current mixing weights per cell type and the names of the candidates, or None.
        result: result of a finished trial.
        error: traceback of a failed trial.
        resumes: how often the trial was resumed from a checkpoint.
        device: device it ran on.
        process: host and process id of the last run.
        threads: number of torch threads; on a CPU, it can change the last bits of a result.
        seconds: time spent in finished epochs; if searches are packed, the trial's share of it.
        packed: counts of the pack of a search, {"searches", "passes", "computed"}: searches in the pack, forward
            passes that they requested, and forward passes that were computed; None outside of packs.
        checkpointing: number and cost of checkpoints, as the fields of the pipeline's `Cadence`; the last checkpoint
            is not counted yet. None before.
        data_info: name, digest, source and size of the data, and the facts about its images.
        environment: versions, machine and device, for provenance.
        shared_with: fingerprint of the trial that has the weights and results of this retraining, if it was not
            trained because that trial of the sweep trains the same network in the same way.
    """

    kind: Kind
    fingerprint: str
    trial: Mapping[str, Any]
    num_epochs: int
    state: State = "running"
    epoch: int = 0
    rows: list[dict[str, Any]] = field(default_factory=list)
    milestones: list[int] = field(default_factory=list)
    genotype: Mapping[str, Any] | None = None
    alphas: Mapping[str, Any] | None = None
    result: Mapping[str, Any] | None = None
    error: str | None = None
    resumes: int = 0
    device: str = "cpu"
    process: str = ""
    threads: int = 1
    seconds: float = 0.0
    packed: Mapping[str, int] | None = None
    checkpointing: Mapping[str, Any] | None = None
    data_info: Mapping[str, Any] | None = None
    environment: Mapping[str, Any] | None = None
    shared_with: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value; its parts are shared with the record, not copied."""
        value = {"schema": SCHEMA, "version": VERSION, **vars(self)}
        if self.shared_with is None:
            del value["shared_with"]
        return value

    def write(self, folder: StoragePath) -> None:
        """Write the record into a trial's folder, atomically."""
        # With hundreds of epochs, a record on one line is written three times as fast.
        write_json(TrialFolder(folder).record, self.to_json(), indent=None)

    @staticmethod
    def read(folder: StoragePath) -> TrialRecord | None:
        """Return the record in a trial's folder, or None if there is none yet.

        Raises:
            StorageError: the file can't be read.
            MalformedFileError: it is not a record of a version that this program reads, or a value breaks a rule.
        """
        path = TrialFolder(folder).record
        try:
            value = read_record_json(path)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        return TrialRecord.from_json(value, path)

    @staticmethod
    def from_json(value: Mapping[str, Any], path: StoragePath) -> TrialRecord:
        """Return the record in a JSON value; `path` is the file that contains it, for messages.

        Raises:
            MalformedFileError: a field is missing, unknown, of the wrong type or out of bounds.
        """
        # Imported here: pydantic takes 0.1 s, which --help does not need.
        from aca_ray.records.checking import check
        from aca_ray.records.types import RECORD

        check(RECORD, value, str(path), FIX)
        return TrialRecord(**value)


def read_record_json(path: StoragePath) -> dict[str, Any]:
    """Return the unchecked fields of a record, without schema and version.

    Raises:
        StorageError: the file can't be read.
        MalformedFileError: it is not a record of a version that this program reads.
    """
    try:
        value = read_json_object(path, RECORD_BYTES)
    except MalformedFileError as error:
        raise MalformedFileError(f"{error}; {FIX}") from error
    found = value.pop("schema", None), value.pop("version", None)
    if found != (SCHEMA, VERSION):
        raise MalformedFileError(
            f"{path}: must be a trial record of version {VERSION}, found schema {found[0]!r:.80} version "
            f"{found[1]!r:.80}; {FIX}"
        )
    return value
