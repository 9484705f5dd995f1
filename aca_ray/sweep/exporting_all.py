"""Export of all finished networks of a sweep into one folder, with an index."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from aca_ray.config import RetrainingTrial
from aca_ray.errors import AcaRayError, MalformedFileError
from aca_ray.exports import FORMATS, Export, ExportedNetwork, write_export
from aca_ray.records import LookUpRecord, NetworkRecord, RetrainingRecord, SearchRecord, TrialFolder, TrialRecord
from aca_ray.space import network_json
from aca_ray.space.fingerprint import SHORT_DIGITS
from aca_ray.storage import StoragePath, read_text, write_bytes
from aca_ray.sweep.exporting import read_named
from aca_ray.sweep.group_accuracy import SweepAccuracies
from aca_ray.sweep.manifest import Sweep
from aca_ray.sweep.model_card import check_card_file, write_card

INDEX = "index.csv"
COLUMNS = (
    "file",
    "kind",
    "method",
    "skip",
    "ranking",
    "allocation",
    "control",
    "space",
    "data",
    "epochs",
    "seed",
    "retrain_seed",
    "protocol",
    "weights",
    "test_accuracy",
    "parameters",
    "macs",
    "refilled_share",
    "shared_with",
    "fingerprint",
    "format",
    "difference",
    "files",
    "network_sha256",
    "files_sha256",
)
_MOST_NAME = 120  # characters before the digits of the fingerprint
Row = dict[str, str]


@dataclass(frozen=True)
class NetworkExport:
    """What became of one network.

    Attributes:
        name: name of its file, or of its trial if there is none.
        outcome: `written`, `unchanged` (an equal export was there) or `failed`.
        test_accuracy: in [0, 1]; None if untrained or failed.
        error: why it failed, else None.
    """

    name: str
    outcome: Literal["written", "unchanged", "failed"]
    test_accuracy: float | None = None
    error: str | None = None


def export_sweep(sweep: Sweep, form: str, out: StoragePath) -> Iterator[NetworkExport]:
    """Export every finished network of a sweep, and yield what became of each.

    These are all retrainings with their weights; and, untrained, the look-ups whose network is not retrained and the
    searches of which no network is retrained or looked up. The index, a CSV file, is written after each of them. A
    network that fails does not stop the others.

    Args:
        sweep: the sweep.
        form: name of the format.
        out: folder for files, model cards and index. Networks of another format that are there stay in the index.

    Raises:
        StorageError: the index can't be read or written.
    """
    index, accuracies = _read_index(out), SweepAccuracies(sweep)
    records, failures = read_records(sweep)
    yield from failures
    for trial, record in networks_of(records):
        path = out / f"{file_name(record)}{FORMATS[form].suffix}"
        try:
            row, outcome = _export(sweep, trial, record, form, path, index, accuracies)
        except Exception as error:  # also any error of an exporter of torch
            yield NetworkExport(path.name, "failed", error=_message(error))
            continue
        if index.get(path.name) != row:
            index[path.name] = row
            _write_index(out, index)
        accuracy = float(row["test_accuracy"]) if row["test_accuracy"] else None
        yield NetworkExport(path.name, outcome, accuracy)


def read_records(sweep: Sweep) -> tuple[list[tuple[TrialFolder, TrialRecord]], list[NetworkExport]]:
    """Return folders and records of a sweep's trials, and a failure for each record that can't be read."""
    records, failures = [], []
    for trial in sweep.folder.recorded_trials():
        try:
            record = TrialRecord.read(trial.path)
        except AcaRayError as error:
            failures.append(NetworkExport(trial.path.name, "failed", error=_message(error)))
        else:
            records += [(trial, record)] if record is not None else []
    return records, failures


def networks_of(records: Sequence[tuple[TrialFolder, TrialRecord]]) -> list[tuple[TrialFolder, TrialRecord]]:
    """Return the trials whose networks are exported: retrainings, and what has no retraining; see `export_sweep`."""
    finished = [(trial, record) for trial, record in records if record.state == "finished"]
    retrained = {_network(record) for _, record in finished if isinstance(record, RetrainingRecord)}
    followed = {record.trial.search for _, record in finished if isinstance(record, NetworkRecord)}
    return [
        (trial, record)
        for trial, record in finished
        if not (isinstance(record, LookUpRecord) and _network(record) in retrained)
        and not (isinstance(record, SearchRecord) and record.fingerprint in followed)
    ]


def file_name(record: TrialRecord) -> str:
    """Return a name that says what a network is, and can be imported: method, skips, plan, seeds, protocol, digits."""
    trial = record.trial
    parts = [trial.to_json().get("method", "network"), trial.to_json().get("skip")]
    if isinstance(record, NetworkRecord):
        own = record.trial
        retrained = [f"r{own.retrain_seed}"] if isinstance(own, RetrainingTrial) else []
        parts += [own.ranking, own.allocation, own.control, f"s{own.seed}", *retrained, own.label]
    elif isinstance(record, SearchRecord):
        parts += [f"s{record.trial.seed}", "search"]
    label = re.sub(r"[^A-Za-z0-9_]+", "_", "_".join(filter(None, parts))).strip("_")
    return f"{label[:_MOST_NAME]}_{record.fingerprint[:SHORT_DIGITS]}"


def _network(record: NetworkRecord) -> tuple[str | None, ...]:
    trial = record.trial
    return trial.search, trial.ranking, trial.allocation, trial.control


def _export(
    sweep: Sweep,
    trial: TrialFolder,
    record: TrialRecord,
    form: str,
    path: StoragePath,
    index: Mapping[str, Row],
    accuracies: SweepAccuracies,
) -> tuple[Row, Literal["written", "unchanged"]]:
    """Export one network unless its row in the index describes an equal export; return its row."""
    named = read_named(str(trial.path), sweep.storage)
    network, exported = _network_digest(named.exported), named.exported
    equal = {row["format"]: row for row in index.values() if row["network_sha256"] == network}
    forms = [form, *(other for other in equal if other != form)]  # they share the card
    before = equal.get(form)
    if before is not None and _files_digest(path, before["files"]) == before["files_sha256"]:
        files = tuple(path.with_name(name) for name in before["files"].split())
        write_card(named, Export(exported, files, float(before["difference"])), forms, accuracies)
        return before, "unchanged"
    check_card_file(path)
    done = write_card(named, write_export(exported, form, path), forms, accuracies)
    values = record.trial.to_json()
    names = " ".join(file.name for file in done.files)
    metadata = exported.metadata()
    found = {
        **{name: values.get(name) for name in COLUMNS},
        "file": path.name,
        "kind": record.kind,
        "data": record.trial.data["name"],
        "protocol": exported.protocol.name,
        "weights": "trained" if exported.weights is not None else "untrained",
        "test_accuracy": exported.test_accuracy,
        "parameters": metadata["parameters"],
        "macs": metadata["macs"],
        "refilled_share": metadata["refilled_share"],
        "shared_with": record.shared_with,
        "fingerprint": record.fingerprint,
        "format": form,
        "difference": done.difference,
        "files": names,
        "network_sha256": network,
        "files_sha256": _files_digest(path, names),
    }
    return {name: "" if value is None else str(value) for name, value in found.items()}, "written"


def _network_digest(exported: ExportedNetwork) -> str:
    """Return the SHA-256 of everything that an export depends on: metadata, cells, plan, trial and weights."""
    facts = [exported.metadata(), network_json(exported.genotype, exported.plan), exported.trial]
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name, tensor in sorted((exported.weights or {}).items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _files_digest(path: StoragePath, names: str) -> str:
    """Return the SHA-256 of files beside a path; that of nothing for missing ones."""
    digest = hashlib.sha256()
    for name in names.split():
        file = path.with_name(name)
        digest.update(hashlib.sha256(file.read_bytes() if file.is_file() else b"").digest())
    return digest.hexdigest()


def _read_index(out: StoragePath) -> dict[str, Row]:
    """Return the rows of an earlier index by file; those whose file is gone are left out."""
    path = out / INDEX
    if not path.is_file():
        return {}
    reader = csv.DictReader(io.StringIO(read_text(path), newline=""))
    if tuple(reader.fieldnames or ()) != COLUMNS:
        raise MalformedFileError(
            f"{path}: must be the index of exported networks, found other columns; give another --out, or move it away"
        )
    rows = [row for row in reader if all(isinstance(row[name], str) for name in COLUMNS)]
    return {row["file"]: row for row in rows if _is_name(row) and (out / row["file"]).is_file()}


def _is_name(row: Row) -> bool:
    return not any("/" in name or name.startswith(".") for name in (row["file"], *row["files"].split()))


def _write_index(out: StoragePath, rows: Mapping[str, Row]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[name] for name in sorted(rows))
    write_bytes(out / INDEX, text.getvalue().encode())


def _message(error: Exception) -> str:
    """Return the first line of an error."""
    lines = str(error).strip().splitlines()
    name = "" if isinstance(error, AcaRayError) else f"{type(error).__name__}: "
    return f"{name}{lines[0] if lines else repr(error)}"
