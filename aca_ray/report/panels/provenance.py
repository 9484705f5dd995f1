"""Where the numbers come from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aca_ray.comparison import Comparison, SweepRows, TrialRow
from aca_ray.report.formats import prose, text
from aca_ray.report.panel import Panel
from aca_ray.report.row_files import RowFile
from aca_ray.report.table import Table
from aca_ray.space.plugged import PLUGIN

_CODE = ("aca_ray", "python", "machine")
_SHORT = 12  # digits of a fingerprint or digest that are shown
_MOST_NAMED = 5


@dataclass(frozen=True)
class ProvenanceRow:
    """One fact about a sweep, in words."""

    sweep: str
    topic: str
    value: str


def provenance_rows(sweeps: Iterable[SweepRows]) -> tuple[ProvenanceRow, ...]:
    """Return the provenance of each sweep that has trials."""
    return tuple(
        ProvenanceRow(sweep.sweep, topic, value)
        for sweep in sweeps
        if sweep.trials
        for topic, value in _facts(sweep.trials)
    )


def _tables(comparison: Comparison) -> tuple[Table, ...]:
    rows = provenance_rows(comparison.sweeps)
    table = Table(
        "provenance",
        "Provenance of the numbers",
        "What is needed to reproduce the numbers, as recorded by every trial while it ran.",
        (text("topic"), prose("value"), text("sweep")),
        rows,
    )
    return (table,) if rows else ()


def _files(comparison: Comparison) -> tuple[RowFile, ...]:
    rows = provenance_rows(comparison.sweeps)
    content = "every trial: state, device, versions, resumptions"
    return (
        RowFile("trials.parquet", content, comparison.rows.trials, TrialRow),
        RowFile("provenance.csv", "provenance of the numbers", rows, ProvenanceRow),
    )


def _facts(trials: Sequence[TrialRow]) -> Iterable[tuple[str, str]]:
    searches = [trial for trial in trials if trial.kind == "search"]
    retrainings = [trial for trial in trials if trial.kind == "retraining"]
    num_look_ups = sum(trial.kind == "look-up" for trial in trials)
    versions = [json.loads(trial.versions) for trial in trials]
    packages = sorted({name for found in versions for name in found} - set(_CODE))
    yield "trials", f"{len(searches)} searches, {len(retrainings)} retrainings, {num_look_ups} look-ups"
    yield "code version", _shared(found.get("aca_ray") for found in versions)
    yield "python", _shared(found.get("python") for found in versions)
    for name in packages:
        if name.startswith(PLUGIN):  # trials that do not use it have no version of it
            yield name, _shared(found[name] for found in versions if name in found)
        else:
            yield f"package {name}", _shared(found.get(name) for found in versions)
    for data, options in sorted({(trial.data, trial.options) for trial in trials}):
        own = [trial for trial in trials if (trial.data, trial.options) == (data, options)]
        yield f"data {data}", _data(own, options)
        yield f"splits of {data}", _splits(own)
    for space, candidates in sorted({(trial.space, trial.candidates) for trial in trials}):
        if candidates not in ("", space):
            yield f"space {space}", candidates
    yield "search seeds", _numbers(trial.seed for trial in searches)
    yield "retraining seeds", _numbers(trial.retrain_seed for trial in retrainings)
    if searches:
        yield "precision of searches", _shared(trial.precision for trial in searches)
    yield "devices", _shared(trial.device for trial in trials)
    yield "hosts", _shared(trial.host for trial in trials)
    yield "threads", _shared(trial.threads for trial in trials)
    yield "determinism", _determinism(trials)
    yield "resumes", _resumes(trials)


def _shared(values: Iterable[object]) -> str:
    """Return the value that all trials share, or every value with its number of trials."""
    counts = Counter("unknown" if value is None else str(value) for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    return "differs: " + ", ".join(f"{name} ({count} trials)" for name, count in counts.most_common())


def _data(trials: Sequence[TrialRow], options: str) -> str:
    parts = [
        f"source {_shared(trial.data_source for trial in trials)}",
        f"digest {_shared(trial.data_digest for trial in trials)}",
        f"images {_shared(trial.image_size for trial in trials)}",
        f"augmentation {_shared(trial.augmentation for trial in trials)}",
    ]
    return "; ".join([*parts, *([f"options {options}"] if options != "{}" else [])])


def _splits(trials: Sequence[TrialRow]) -> str:
    parts = []
    for kind, use in (("search", "searches (search_train and search_valid)"), ("retraining", "retrainings (train)")):
        own = [trial for trial in trials if trial.kind == kind]
        if own:
            counts = _shared(trial.num_images for trial in own)
            parts.append(f"training images in {use}: {counts}")
    return "; ".join([*parts, "only retrainings read test"])


def _numbers(values: Iterable[int | None]) -> str:
    return ", ".join(map(str, sorted({value for value in values if value is not None}))) or "none yet"


def _determinism(trials: Sequence[TrialRow]) -> str:
    devices = {trial.device for trial in trials}
    threads = {trial.threads for trial in trials}
    varying = [f"{len(devices)} kinds of devices"] * (len(devices) > 1) + ["thread counts"] * (len(threads) > 1)
    note = "the seeds determine every random choice; on a CPU, equal seeds, versions and threads give identical bits"
    return note + ("" if not varying else f"; these trials differ in {' and '.join(varying)}")


def _resumes(trials: Sequence[TrialRow]) -> str:
    resumed = sorted(
        (trial for trial in trials if trial.resumes), key=lambda trial: (-(trial.resumes or 0), trial.fingerprint)
    )
    if not resumed:
        return "none"
    named = [f"{trial.kind} {trial.fingerprint[:_SHORT]} ({trial.resumes})" for trial in resumed[:_MOST_NAMED]]
    more = len(resumed) - len(named)
    return f"{sum(trial.resumes or 0 for trial in resumed)} in {len(resumed)} trials: {', '.join(named)}" + (
        f" and {more} more" if more else ""
    )


PANEL = Panel(
    "provenance",
    "Provenance",
    "Code, packages, data, seeds, hardware and resumes behind the numbers.",
    "No trial has a record yet.",
    tables=_tables,
    files=_files,
)
