"""The record of a trial: what is known about it, in one JSON file that everybody else reads.

It is written by the process that runs the trial, right after the checkpoint that it describes, so that it never tells
of anything that a kill could undo. Epochs since then are not in it yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from aca_ray.errors import StorageError
from aca_ray.storage.files import read_json, write_json
from aca_ray.storage.objects import StoragePath

SCHEMA = "aca_ray.record"
VERSION = 1
FILE_NAME = "record.json"

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
        rows: one per finished epoch: {"epoch", "time_ms", "metrics"}, of a search with its "architecture".
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

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-ready value, which shares what it holds with the record."""
        return {"schema": SCHEMA, "version": VERSION, **vars(self)}

    def write(self, folder: StoragePath) -> None:
        """Write the record into a trial's folder, atomically."""
        # Of hundreds of epochs a record on one line is written three times as fast.
        write_json(folder / FILE_NAME, self.to_json(), indent=None)

    @staticmethod
    def read(folder: StoragePath) -> TrialRecord | None:
        """Return the record of a trial's folder, or None where there is none yet.

        Raises:
            StorageError: the file is no record of a version that this program reads.
        """
        path = folder / FILE_NAME
        try:
            value = read_json(path)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        if not isinstance(value, dict) or value.pop("schema", None) != SCHEMA or value.pop("version", None) != VERSION:
            raise StorageError(f"{path}: is not a trial record of version {VERSION}")
        try:
            return TrialRecord(**value)
        except TypeError as error:
            raise StorageError(f"{path}: is malformed ({error})") from error
