"""The record of a trial: what is known about it, in the one JSON file that all other processes read.

The process that runs the trial writes the record right after the checkpoint that it describes. So a kill can undo
nothing that a record reports. Epochs since the last checkpoint are not in it yet.
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
FIX = "move the file away and resume the sweep: the record is written again from the trial's checkpoint"

State = Literal["running", "finished", "failed"]
Kind = Literal["search", "evaluation"]


@dataclass
class TrialRecord:
    """What is known about a trial.

    Attributes:
        kind: search or evaluation (a retraining).
        fingerprint: 64 hexadecimal digits, the identity of the trial.
        trial: the trial's spec as JSON.
        num_epochs: how many epochs it has.
        state: running (or killed while it ran), finished, or failed.
        epoch: finished epochs.
        rows: one per finished epoch: {"epoch", "time_ms", "metrics"}, of a search with its "architecture"; of a look-up
            one per epoch of its search whose cell is looked up.
        milestones: epochs whose milestone checkpoint is written.
        genotype: the current genotype as JSON, or the retrained one.
        alphas: the current mixing weights per cell type with the names of the candidates, or None.
        result: what came out, once finished.
        error: traceback, once failed.
        resumes: how often the trial was taken up again from a checkpoint.
        device: where it ran.
        process: host and process id that ran it last.
        threads: torch threads it ran with; on a CPU their number can change the last bits of a result.
        seconds: time spent in finished epochs; of a process that computes several trials together, the trial's share.
        packed: of a search that is computed together with others, {"searches", "passes", "computed"}: how many they
            are, how many forward passes all of them have asked for, and how many were computed for these; else None.
        checkpointing: how often checkpoints are written and what they have cost, up to the last but one: the fields of
            the pipeline's `Cadence`; None before.
        data_info: name, digest, source and size of the data, and what is to be known of its images.
        environment: versions, machine and device, for provenance.
        shared_with: of a retraining that was not trained, since another trial of its sweep trains the same network in
            the same way, the fingerprint of that trial: its results are these, and it has the weights.
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
        """Return a JSON-ready value, which shares what it holds with the record."""
        value = {"schema": SCHEMA, "version": VERSION, **vars(self)}
        if self.shared_with is None:
            del value["shared_with"]
        return value

    def write(self, folder: StoragePath) -> None:
        """Write the record into a trial's folder, atomically."""
        # Of hundreds of epochs a record on one line is written three times as fast.
        write_json(TrialFolder(folder).record, self.to_json(), indent=None)

    @staticmethod
    def read(folder: StoragePath) -> TrialRecord | None:
        """Return the record of a trial's folder, or None where there is none yet.

        Raises:
            StorageError: the file can't be read.
            MalformedFileError: it is no record of a version that this program reads, or a value breaks a rule.
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
        """Return the record of a JSON value; `path` is the file that holds it, for messages.

        Raises:
            MalformedFileError: a field is missing, unknown, of the wrong type or out of bounds.
        """
        # Here, since pydantic takes 0.1 s, for which --help need not wait.
        from aca_ray.records.checking import check
        from aca_ray.records.types import RECORD

        check(RECORD, value, str(path), FIX)
        return TrialRecord(**value)


def read_record_json(path: StoragePath) -> dict[str, Any]:
    """Return the fields of a record, unchecked, without schema and version.

    Raises:
        StorageError: the file can't be read.
        MalformedFileError: it is no record of a version that this program reads.
    """
    try:
        value = read_json_object(path, RECORD_BYTES)
    except MalformedFileError as error:
        raise MalformedFileError(f"{error}; {FIX}") from error
    found = value.pop("schema", None), value.pop("version", None)
    if found != (SCHEMA, VERSION):
        raise MalformedFileError(
            f"{path}: is not a trial record of version {VERSION}, found schema {found[0]!r:.80} version "
            f"{found[1]!r:.80}; {FIX}"
        )
    return value
