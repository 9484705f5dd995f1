"""The rows of a sweep as pandas frames: networks, epochs, channels.

Accuracies and shares are fractions. A missing value is NaN, or NA in a column of integers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aca_ray.comparison import NetworkRow, ScoreFile
from aca_ray.errors import DataError
from aca_ray.records import AllocationFolder, AllocationSummary, TrialRecord
from aca_ray.report.row_files import arrow_table, columns_of
from aca_ray.storage.bounded import SCORES_BYTES, read_bytes
from aca_ray.trials.network_files import read_plan

_INTEGER: Final = "Int64"  # may have missing values


def network_frame(rows: Sequence[NetworkRow]) -> pd.DataFrame:
    """Return a row per retrained or looked-up network; the columns are the fields of `NetworkRow`."""
    columns = columns_of(NetworkRow)
    integers = {name: _INTEGER for name, column in columns.items() if column.kind is int}
    return arrow_table(rows, columns).to_pandas(integer_object_nulls=True).astype(integers)


def epoch_frame(records: Iterable[TrialRecord]) -> pd.DataFrame:
    """Return a row per epoch of every trial; each metric is a column, such as `test/accuracy`."""
    rows = [
        {**_identity(record), "epoch": row.epoch, "time": row.time_ms, **row.metrics}
        for record in records
        for row in record.rows
    ]
    names = dict.fromkeys([*_TRIAL, "fingerprint", "epoch", "time", *(name for row in rows for name in row)])
    frame = pd.DataFrame(rows, columns=list(names))
    integers = frame[["epochs", "seed", "retrain_seed", "epoch"]].astype(_INTEGER)
    return frame.assign(**integers, time=pd.to_datetime(frame["time"], unit="ms", utc=True))


_TRIAL = (
    "kind",
    "method",
    "skip",
    "space",
    "data",
    "epochs",
    "seed",
    "protocol",
    "retrain_seed",
    "ranking",
    "allocation",
    "control",
)


def _identity(record: TrialRecord) -> dict[str, Any]:
    """Return the columns that say which trial a row belongs to; None where a search has no such value."""
    trial = record.trial
    return {name: getattr(trial, name, None) for name in _TRIAL} | {
        "kind": record.kind,
        "data": trial.data["name"],
        "protocol": getattr(trial, "label", None),
        "fingerprint": record.fingerprint,
    }


def channel_frame(files: Iterable[ScoreFile], seeds: Mapping[str, int]) -> pd.DataFrame:
    """Return a row per channel of every ranked milestone.

    Besides the identity of the search, the columns are those of the score files (cell, stage, operation, source and
    target node, channel, score, standard error) and `kept/NAME` per kind of plan: whether the operation keeps the
    channel, which otherwise a skip connection refills.

    Args:
        files: the score files.
        seeds: seeds of the searches by fingerprint.

    Raises:
        StorageError: a file can't be read.
        DataError: a score file has no channel scores.
        ConfigError: a plan is malformed.
    """
    frames = [_channels(file, seeds) for file in files]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*_SEARCH, "channel", "score"])


_SEARCH = ("method", "space", "data", "epochs", "search", "epoch", "ranking")


def _channels(scored: ScoreFile, seeds: Mapping[str, int]) -> pd.DataFrame:
    try:
        frame = pq.read_table(pa.BufferReader(read_bytes(scored.file, SCORES_BYTES))).to_pandas()
        places = list(zip(frame["stage"], frame["genotype_edge"], frame["channel"], strict=True))
    except (pa.ArrowException, KeyError, OSError) as error:
        raise DataError(
            f"{scored.file}: needs a Parquet file of channel scores ({error}); rank the channels again"
        ) from error
    folder = AllocationFolder(scored.file.parent)
    summary = AllocationSummary.read(folder)
    num_channels = frame.groupby(["stage", "genotype_edge"])["channel"].nunique()
    for name in summary.plans:
        plan = read_plan(folder.plan(name), summary.genotype)
        kept = {
            (stage, edge, channel)
            for (stage, edge), count in num_channels.items()
            for channel in plan.stages[stage][edge].kept_channels(count)
        }
        frame[f"kept/{name}"] = [place in kept for place in places]
    identity = {name: getattr(scored, name) for name in _SEARCH} | {"seed": seeds.get(scored.search)}
    for position, (name, value) in enumerate(identity.items()):
        frame.insert(position, name, value)
    return frame
