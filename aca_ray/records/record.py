"""The record of a trial: its state and results, in the one JSON file that all other processes read.

The process that runs the trial writes the record right after the checkpoint that it describes. So a kill never undoes
anything that a record reports. Epochs since the last checkpoint are not in it yet.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import FailFast, PlainSerializer

from aca_ray.errors import MalformedFileError, StorageError, shortened
from aca_ray.records.checking import Checked, Count, Fingerprint, Positive, RecordedGenotype, Seconds, Text, parse
from aca_ray.records.epochs import LookUpRow, Names, Row, SearchRow, Weights
from aca_ray.records.facts import Checkpointing, DataFacts, Packed
from aca_ray.records.layout import TrialFolder
from aca_ray.records.results import LookUpResult, RetrainingResult, SearchResult
from aca_ray.space.trials import Kind, LookUpTrial, NetworkTrial, RetrainingTrial, SearchTrial, StandaloneTrial
from aca_ray.storage.bounded import RECORD_BYTES, parse_json_object, read_bytes
from aca_ray.storage.files import write_json
from aca_ray.storage.objects import StoragePath

SCHEMA: Literal["aca_ray.record"] = "aca_ray.record"
VERSION: Literal[1] = 1
FIX = "move the file away and resume the sweep: the record is restored from the trial's checkpoint"

State = Literal["running", "finished", "failed"]
Result = SearchResult | RetrainingResult
_Trial = PlainSerializer(lambda trial: trial.to_json())


@dataclass(frozen=True)
class MixingWeights:
    """The current mixing weights of a search: per edge and candidate, with the names of the candidates.

    Attributes:
        normal: weights of the normal cell.
        reduce: weights of the reduction cell; empty where cells have one input.
        candidates: names of the candidates per cell type.
    """

    normal: Weights
    candidates: Mapping[Literal["normal", "reduce"], Names]
    reduce: Weights = ()


@dataclass(frozen=True, kw_only=True)
class TrialRecord(Checked):
    """State and results of a trial.

    Attributes:
        kind: search, retraining or look-up.
        fingerprint: identity of the trial, 64 hexadecimal digits.
        trial: spec of the trial.
        num_epochs: total number of epochs.
        state: running (or killed while running), finished, or failed.
        epoch: number of finished epochs.
        rows: one per finished epoch; in a look-up, one per epoch of its search whose cell is looked up.
        milestones: epochs whose milestone checkpoint is written.
        genotype: current genotype of a search, or the retrained one.
        mixing: current mixing weights of a search.
        result: result of a finished trial.
        error: traceback of a failed trial.
        resumes: how often the trial was resumed from a checkpoint.
        device: torch's name of the device it ran on.
        process: host and process id of the last run.
        threads: number of torch threads; on a CPU, it can change the last bits of a result.
        seconds: time spent in finished epochs; if searches are packed, the trial's share of it.
        packed: the pack of a search; None outside of packs.
        checkpointing: number and cost of checkpoints; the last checkpoint is not counted yet. None before.
        data_info: the data; None before they were read.
        environment: versions, machine and device, for provenance; None before the trial has run.
        shared_with: fingerprint of the trial that has the weights and results of this retraining, if it was not
            trained because that trial of the sweep trains the same network in the same way.
    """

    title: ClassVar[str] = "trial"

    schema: Literal["aca_ray.record"] = SCHEMA
    version: Literal[1] = VERSION
    kind: Kind
    fingerprint: Fingerprint
    trial: Annotated[SearchTrial | NetworkTrial | StandaloneTrial, _Trial]
    num_epochs: Positive
    state: State = "running"
    epoch: Count = 0
    rows: Annotated[tuple[Row, ...], FailFast()] = ()
    milestones: Annotated[tuple[Positive, ...], FailFast()] = ()
    genotype: RecordedGenotype | None = None
    mixing: MixingWeights | None = None
    result: Result | None = None
    error: str | None = None
    resumes: Count = 0
    device: Text = "cpu"
    process: Text = ""
    threads: Positive = 1
    seconds: Seconds = 0.0
    packed: Packed | None = None
    checkpointing: Checkpointing | None = None
    data_info: DataFacts | None = None
    environment: Mapping[Text, Text] | None = None
    shared_with: Fingerprint | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.trial.data.get("name"), str):
            raise ValueError(f"trial.data must name the data set, found {shortened(self.trial.data)}")
        if self.state == "finished":
            for name in ("genotype", "result", "data_info", "environment"):
                if getattr(self, name) is None:
                    raise ValueError(f"{name} must be given in the record of a finished trial, found None")

    @property
    def hardware(self) -> str | None:
        """Name of the processor or GPU."""
        return None if self.environment is None else self.environment.get("device")

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the code, the packages and Python, and the machine type."""
        return {name: text for name, text in (self.environment or {}).items() if name != "device"}

    @property
    def host(self) -> str | None:
        """Machine that ran the trial last."""
        return self.process.rpartition(":")[0] or None

    def write(self, folder: StoragePath) -> None:
        """Write the record into a trial's folder, atomically."""
        # With hundreds of epochs, a record on one line is written three times as fast.
        write_json(TrialFolder(folder).record, self.to_json(), indent=None)

    @classmethod
    def read(cls, folder: StoragePath) -> Self | None:
        """Return the record in a trial's folder, or None if there is none yet.

        Raises:
            StorageError: the file can't be read.
            MalformedFileError: it is not a record of this kind and of a version that this program reads, or a value
                breaks a rule.
        """
        path = TrialFolder(folder).record
        try:
            return cls.parse(read_bytes(path, RECORD_BYTES), path)
        except StorageError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    @classmethod
    def from_json(cls, value: Mapping[str, Any], path: StoragePath) -> Self:
        """Return the record in the header of a checkpoint, which has a version of its own; see `parse`."""
        return cls.parse(json.dumps({"schema": SCHEMA, "version": VERSION, **value}).encode(), path)

    @classmethod
    def parse(cls, text: bytes, path: StoragePath) -> Self:
        """Return the record in a JSON text; `path` is the file that contains it, for messages.

        Raises:
            MalformedFileError: see `read`.
        """
        try:
            value = parse_json_object(text, path)
        except MalformedFileError as error:
            raise MalformedFileError(f"{error}; {FIX}") from error
        found = value.get("schema"), value.get("version")
        if found != (SCHEMA, VERSION):
            raise MalformedFileError(
                f"{path}: must be a trial record of version {VERSION}, found schema {found[0]!r:.80} version "
                f"{found[1]!r:.80}; {FIX}"
            )
        kind = _type_of(value, path)
        if not issubclass(kind, cls):
            raise MalformedFileError(
                f"{path}: must be the record of a {cls.title}, found that of a {kind.title}; {FIX}"
            )
        return parse(kind, text, str(path), FIX)


@dataclass(frozen=True, kw_only=True)
class SearchRecord(TrialRecord):
    """The record of a search."""

    title: ClassVar[str] = "search"

    kind: Literal["search"] = "search"
    trial: Annotated[SearchTrial, _Trial]
    rows: Annotated[tuple[SearchRow, ...], FailFast()] = ()
    result: SearchResult | None = None


@dataclass(frozen=True, kw_only=True)
class NetworkRecord(TrialRecord):
    """The record of a network that a search found: that of its retraining or look-up."""

    title: ClassVar[str] = "retraining or look-up of what a search found"

    trial: Annotated[NetworkTrial, _Trial]
    result: RetrainingResult | None = None


@dataclass(frozen=True, kw_only=True)
class RetrainingRecord(NetworkRecord):
    """The record of the retraining of what a search found."""

    title: ClassVar[str] = "retraining of what a search found"

    kind: Literal["retraining"] = "retraining"
    trial: Annotated[RetrainingTrial, _Trial]


@dataclass(frozen=True, kw_only=True)
class LookUpRecord(NetworkRecord):
    """The record of a look-up of what a search found."""

    title: ClassVar[str] = "look-up"

    kind: Literal["look-up"] = "look-up"
    trial: Annotated[LookUpTrial, _Trial]
    rows: Annotated[tuple[LookUpRow, ...], FailFast()] = ()
    result: LookUpResult | None = None


@dataclass(frozen=True, kw_only=True)
class StandaloneRecord(TrialRecord):
    """The record of the retraining of a network that no search of a sweep found."""

    title: ClassVar[str] = "retraining of a named network"

    kind: Literal["retraining"] = "retraining"
    trial: Annotated[StandaloneTrial, _Trial]
    result: RetrainingResult | None = None


SweepRecord = SearchRecord | RetrainingRecord | LookUpRecord  # of the trials of a sweep


def _type_of(value: Mapping[str, Any], path: StoragePath) -> type[TrialRecord]:
    """Return the type of a record in JSON; only its kind is checked here."""
    kind, trial = value.get("kind"), value.get("trial")
    standalone = isinstance(trial, dict) and "search" not in trial
    types: dict[Any, type[TrialRecord]] = {
        "search": SearchRecord,
        "retraining": StandaloneRecord if standalone else RetrainingRecord,
        "look-up": LookUpRecord,
    }
    if not isinstance(kind, str) or kind not in types:
        raise MalformedFileError(
            f"{path}: kind must be 'search', 'retraining' or 'look-up', found {shortened(kind)}; {FIX}"
        )
    return types[kind]
