"""The description of a record in MLflow: run name, tags, params, data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, RunData

from aca_ray.records import LookUpRecord, RetrainingRecord, SearchRecord, SweepRecord
from aca_ray.tracking import limits


def run_name(record: SweepRecord) -> str:
    """Return the name of a run, as ``pc_darts allocated s3 cifar10 seed 0 e8`` or ``... retrain taylor sign r0``.

    MLflow colors and groups runs by their names, so a name has all that a sweep usually spans.
    """
    trial = record.trial
    words = [trial.method, trial.skip, trial.space_label, trial.data["name"], f"seed {trial.seed}", f"e{trial.epochs}"]
    if not isinstance(record, SearchRecord):
        trial = record.trial
        pair = [trial.ranking, trial.allocation, trial.control] if trial.allocation else []
        how = ["retrain", f"r{record.trial.retrain_seed}"] if isinstance(record, RetrainingRecord) else ["look-up"]
        words += [how[0], *(word for word in pair if word), *how[1:]]
    return limits.distinct(" ".join(words), limits.RUN_NAME)


def run_tags(record: SweepRecord) -> dict[str, str]:
    """Return the tags of a trial's run; all names start with ``aca.``.

    ``aca.group`` joins everything except the seeds, so that grouping by it averages over the seeds.
    """
    trial = record.trial
    data = trial.data["name"]
    tags = {
        "aca.kind": record.kind,
        "aca.fingerprint": record.fingerprint,
        "aca.method": trial.method,
        "aca.skip": trial.skip,
        "aca.space": trial.space_label,
        "aca.data": data,
        "aca.seed": str(trial.seed),
        "aca.epochs": str(trial.epochs),
    }
    group = [trial.method, trial.skip, trial.space_label, data, f"e{trial.epochs}"]
    if record.shared_with is not None:
        tags["aca.shared_with"] = record.shared_with
    if not isinstance(record, SearchRecord):
        trial = record.trial
        if isinstance(record, RetrainingRecord):
            tags["aca.retrain_seed"] = str(record.trial.retrain_seed)
        tags |= {
            "aca.search": trial.search,
            "aca.protocol": trial.label,
            "aca.ranking": trial.ranking or "none",
            "aca.allocation": trial.allocation or "none",
            "aca.control": trial.control or "none",
        }
        group += [record.kind, tags["aca.protocol"], tags["aca.ranking"], tags["aca.allocation"], tags["aca.control"]]
    else:
        chosen = {name: trial.to_json().get(name) for name in ("data_pruning", "precision")}
        tags |= {f"aca.{name}": text for name, text in chosen.items() if text is not None}
        group += [text for text in chosen.values() if text is not None]
    return {name: limits.distinct(text, limits.KEY) for name, text in {**tags, "aca.group": "/".join(group)}.items()}


def params(value: Mapping[str, Any]) -> dict[str, str]:
    """Return a nested value as MLflow params: names joined by dots, lists as JSON, None as ``null``."""
    return dict(_flatten(value, ""))


def changed_params(values: Mapping[str, str], data: RunData) -> dict[str, str]:
    """Return tags with the params of a sweep's newest spec that differ from the logged ones, or did so before.

    Args:
        values: params of the newest spec.
        data: params and tags of the sweep's run.
    """
    names = {name: limits.distinct(f"aca.spec.{name}", limits.KEY) for name in values}
    return {
        names[name]: limits.shortened(value, limits.TAG)
        for name, value in values.items()
        if data.params.get(name, value) != value or names[name] in data.tags
    }


def version_files(versions: Sequence[tuple[int, str]]) -> dict[str, bytes]:
    """Return file names, with number and date, and contents for all versions (ms since 1970, YAML) of a spec."""
    return {
        f"{number:04d}_{datetime.fromtimestamp(written_ms / 1000, UTC):%Y-%m-%dT%H%M%SZ}.yaml": text.encode()
        for number, (written_ms, text) in enumerate(versions, start=1)
    }


def _flatten(value: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str]]:
    for name, entry in value.items():
        if isinstance(entry, Mapping):
            yield from _flatten(entry, f"{prefix}{name}.")
        else:
            text = entry if isinstance(entry, str) else json.dumps(entry, default=str)
            yield limits.distinct(f"{prefix}{name}", limits.KEY), limits.shortened(text, limits.PARAM)


def dataset_input(record: SweepRecord) -> DatasetInput | None:
    """Return the data set of a trial as an MLflow input; None before the data were read, and of a look-up."""
    info = record.data_info
    if info is None or isinstance(record, LookUpRecord):
        return None
    source = limits.shortened(info.source, limits.DATASET_SOURCE // 12)  # JSON may need 12 for a character
    remote = source.startswith(("http://", "https://"))
    dataset = Dataset(
        name=limits.distinct(info.name, limits.DATASET_NAME),
        digest=info.digest[: limits.DATASET_DIGEST],
        source_type="http" if remote else "local",
        source=json.dumps({"url" if remote else "uri": source}),
        profile=json.dumps({"num_images": info.num_images}),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", record.kind)])
