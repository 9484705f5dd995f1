"""The images of a sweep stay the same: the digests of both splits are kept, and compared before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter

from aca_ray.config import SweepSpec
from aca_ray.errors import ConfigError
from aca_ray.records import SweepFolder, TrialRecord
from aca_ray.records.checking import Fingerprint, Text, check
from aca_ray.storage import write_json
from aca_ray.storage.bounded import read_json_object
from aca_ray.sweep.planning import SweepPlan

_SPLITS = {"train": "training", "test": "test"}
_FILE = TypeAdapter(dict[Text, dict[Text, Fingerprint]])
_FIX = "move it away; the images are then compared with those of the records"


def check_images(folder: SweepFolder, spec: SweepSpec, plan: SweepPlan) -> None:
    """Raise ConfigError if a data set has other images than when trials of the sweep began to use it.

    Args:
        folder: folder of the sweep, which need not exist.
        spec: spec of the sweep.
        plan: plan of the spec, with the images as they are now.
    """
    if not folder.manifest.is_file():
        return
    before = _read(folder)
    problems = []
    for index, (key, now) in enumerate(_digests(spec, plan).items()):
        known = before.get(key) or _recorded(folder, key)
        changed = [split for split in _SPLITS if split in known and known[split] != now[split]]
        if changed and _is_used(folder, key):
            problems += [
                f"experiment.data[{index}]: the {_SPLITS[split]} images differ from those that trials of sweep "
                f"{folder.path.name} have used (SHA-256 {now[split][:12]}, was {known[split][:12]}); restore them, or "
                "give the sweep another name"
                for split in changed
            ]
    if problems:
        raise ConfigError(problems)


def keep_images(folder: SweepFolder, spec: SweepSpec, plan: SweepPlan) -> None:
    """Write the digests of the images of a sweep, whose folder exists."""
    before = _read(folder)
    now = {**before, **_digests(spec, plan)}
    if now != before:
        write_json(folder.images, now)


def _digests(spec: SweepSpec, plan: SweepPlan) -> dict[str, dict[str, str]]:
    return {
        _key(data): {"train": checked.info.digest, "test": checked.test_digest}
        for data, checked in zip(spec.experiment.data, plan.data, strict=True)
    }


def _key(data: Mapping[str, Any]) -> str:
    return json.dumps(dict(data), sort_keys=True)


def _read(folder: SweepFolder) -> dict[str, dict[str, str]]:
    if not folder.images.is_file():
        return {}
    value = read_json_object(folder.images)
    check(_FILE, value, str(folder.images), _FIX)
    return value


def _recorded(folder: SweepFolder, key: str) -> dict[str, str]:
    """Return what the records tell, for a sweep without the file: the digest of the training images."""
    return next(({"train": record.data_info.digest} for record in _using(folder, key) if record.data_info), {})


def _is_used(folder: SweepFolder, key: str) -> bool:
    return next(_using(folder, key), None) is not None


def _using(folder: SweepFolder, key: str) -> Iterator[TrialRecord]:
    """Yield the records of trials that use a data set."""
    for trial in folder.recorded_trials():
        record = TrialRecord.read(trial.path)
        if record is not None and _key(record.trial.data) == key:
            yield record
