"""Reads the rows of a sweep from the files of its trials, each file once."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from aca_ray.comparison.architectures import churn, genotype_text, mixing
from aca_ray.comparison.rows import (
    AllocationRow,
    CurveRow,
    EdgeRow,
    FailedTrial,
    LookUpRow,
    MixingTrajectory,
    NetworkRow,
    ScoreFile,
    SweepRows,
    TrialRow,
)
from aca_ray.errors import ConfigError
from aca_ray.records import (
    AllocationFolder,
    AllocationSummary,
    LookUpRecord,
    LookUpResult,
    NetworkRecord,
    SearchRecord,
    SweepFolder,
    TrialFolder,
)
from aca_ray.space import Genotype
from aca_ray.space.trials import LookUpTrial, NetworkTrial, RetrainingTrial, SearchTrial
from aca_ray.storage import StoragePath
from aca_ray.storage.bounded import naming

_Record = TypeVar("_Record", SearchRecord, NetworkRecord)
_OWN_SETTINGS = ("batch_size", "data_pruning", "precision")  # of searches; the two defaults are left out
_text = lru_cache(genotype_text)  # most epochs derive the genotype of the epoch before


def read_sweep(folder: SweepFolder, ignored: Container[StoragePath] = ()) -> SweepRows:
    """Return the rows of a sweep, finished or not.

    Args:
        folder: folder of the sweep.
        ignored: folders of trials to skip.

    Raises:
        ConfigError: the folder is missing, or files are malformed; names all of them.
    """
    if not folder.path.is_dir():
        raise ConfigError(f"{folder.path}: must be the folder of a sweep, found no folder; use <storage>/<sweep name>")
    reading = _Reading(folder.path.name)
    with _collector_paused():
        for trial_folder in _subfolders(folder.trials("search"), ignored):
            reading.attempt(reading.read_search, trial_folder)
        for kind in ("retraining", "look-up"):
            for trial_folder in _subfolders(folder.trials(kind), ignored):
                reading.attempt(reading.read_network, trial_folder)
    if reading.problems:
        raise ConfigError(reading.problems)
    return SweepRows(
        networks=tuple(sorted(reading.networks, key=lambda row: row.fingerprint)),
        curves=tuple(reading.curves),
        allocations=tuple(reading.allocations),
        failed=tuple(reading.failed),
        unfinished=reading.unfinished,
        sweep=folder.path.name,
        edges=tuple(reading.edges),
        trajectories=tuple(reading.trajectories),
        trials=tuple(reading.trials),
        scores=tuple(reading.scores),
        look_ups=tuple(reading.look_ups),
    )


class _Epoch(NamedTuple):
    """What the row of a network needs from one epoch of its search; whole rows would not fit into memory."""

    seconds: float | None
    peak_bytes: float | None
    accuracy: float | None


class _Search(NamedTuple):
    """What the row of a network needs from its search; `ranking_seconds` are per milestone and ranker."""

    setting: Mapping[str, Any]
    epochs: Mapping[int, _Epoch]
    device: str | None
    ranking_seconds: Mapping[tuple[int, str], float]


@dataclass
class _Reading:
    """The rows read so far and the problems found."""

    sweep: str
    networks: list[NetworkRow] = field(default_factory=list)
    curves: list[CurveRow] = field(default_factory=list)
    allocations: list[AllocationRow] = field(default_factory=list)
    failed: list[FailedTrial] = field(default_factory=list)
    unfinished: int = 0
    edges: list[EdgeRow] = field(default_factory=list)
    trajectories: list[MixingTrajectory] = field(default_factory=list)
    trials: list[TrialRow] = field(default_factory=list)
    scores: list[ScoreFile] = field(default_factory=list)
    look_ups: list[LookUpRow] = field(default_factory=list)
    searches: dict[str, _Search] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def attempt(self, read: Callable[[TrialFolder], None], folder: TrialFolder) -> None:
        """Read the folder of one trial, and collect its problems instead of stopping at the first."""
        try:
            read(folder)
        except ConfigError as error:  # MalformedFileError among them
            self.problems.extend(error.problems)

    def read_search(self, folder: TrialFolder) -> None:
        """Add the curves, trajectories and allocations of one search."""
        record = self._open(SearchRecord, folder)
        if record is None:
            return
        trial = record.trial
        own = {name: value for name, value in trial.to_json().items() if name in _OWN_SETTINGS}
        setting = {**own, **_data_and_network(trial)}
        common: dict[str, Any] = {
            "sweep": self.sweep,
            "method": trial.method,
            "space": trial.space_label,
            "data": trial.data["name"],
            "setting": _canonical(setting),
            "epochs": trial.epochs,
            "seed": trial.seed,
            "search": record.fingerprint,
        }
        self._read_rows(record, common, folder)
        ranking_seconds = dict(self._read_allocation(own, common) for own in folder.allocations())
        epochs = {row.epoch: _Epoch(row.seconds, row.peak_bytes, row.accuracy) for row in record.rows}
        self.searches[record.fingerprint] = _Search(setting, epochs, record.hardware, ranking_seconds)

    def _read_rows(self, record: SearchRecord, common: Mapping[str, Any], folder: TrialFolder) -> None:
        """Add a curve row per epoch and the mixing trajectories."""
        skip = record.trial.skip
        before: Genotype | None = None
        for row in record.rows:
            now = None if row.architecture is None else row.architecture.genotype
            gap = None if row.train_accuracy is None or row.accuracy is None else row.train_accuracy - row.accuracy
            self.curves.append(
                CurveRow(
                    **common,
                    skip=skip,
                    epoch=row.epoch,
                    search_valid_accuracy=row.accuracy,
                    search_train_accuracy=row.train_accuracy,
                    skip_count=row.skip_count,
                    parametric_count=row.parametric_count,
                    entropy=row.entropy,
                    generalization_gap=gap,
                    genotype=None if now is None else _text(now),
                    churn=None if now is None or before is None else churn(before, now),
                )
            )
            before = now
        place = {key: common[key] for key in ("sweep", "method", "space", "data", "seed", "search")}
        with naming(folder.record):
            self.trajectories += [
                MixingTrajectory(**place, skip=skip, cell_type=cell_type, **weights._asdict())
                for cell_type, weights in mixing(record.rows).items()
            ]

    def read_network(self, folder: TrialFolder) -> None:
        """Add the rows of one retraining or look-up if it has finished."""
        record = self._open(NetworkRecord, folder)
        if record is None or record.state != "finished":
            return
        trial, result, data = record.trial, record.result, record.data_info
        assert result is not None  # it has finished
        assert data is not None
        search = self.searches.get(trial.search)
        curve = search.epochs if search else {}
        last = min(trial.epochs, max(curve, default=0))
        row = NetworkRow(
            sweep=self.sweep,
            method=trial.method,
            skip=trial.skip,
            space=trial.space_label,
            data=trial.data["name"],
            setting=_canonical(_network_setting(trial, search)),
            epochs=trial.epochs,
            seed=trial.seed,
            retrain_seed=trial.retrain_seed if isinstance(trial, RetrainingTrial) else 0,
            protocol=trial.label,
            ranking=trial.ranking,
            allocation=trial.allocation,
            control=trial.control,
            test_accuracy=result.test_accuracy,
            best_test_accuracy=result.best_test_accuracy,
            parameters=result.parameters,
            macs=result.macs,
            num_skips=result.num_skips,
            num_parametric=result.num_parametric,
            refilled_share=result.refilled_share,
            search_seconds=_seconds_until(last, curve),
            ranking_seconds=search.ranking_seconds.get((last, trial.ranking)) if search and trial.ranking else None,
            retraining_seconds=record.seconds,
            search_valid_accuracy=curve[last].accuracy if last in curve else None,
            search_device=search.device if search else None,
            device=record.hardware,
            search_peak_bytes=_largest(curve[epoch].peak_bytes for epoch in curve if epoch <= last),
            peak_bytes=_largest(row.peak_bytes for row in record.rows),
            data_digest=data.digest,
            search=trial.search,
            fingerprint=record.fingerprint,
            regret=result.regret if isinstance(result, LookUpResult) else None,
            rank=result.rank if isinstance(result, LookUpResult) else None,
            shared_with=record.shared_with,
        )
        self.networks.append(row)
        if isinstance(record, LookUpRecord):
            self._read_look_up(record, row)

    def _read_look_up(self, record: LookUpRecord, network: NetworkRow) -> None:
        """Add the rows of one finished look-up."""
        assert record.result is not None  # it has finished
        table = record.result.table
        shared = {column.name for column in fields(NetworkRow)} & {column.name for column in fields(LookUpRow)}
        place = {name: getattr(network, name) for name in shared - {"regret", "rank"}}
        self.look_ups += [
            LookUpRow(
                **place,
                epoch=row.epoch,
                accuracy=row.accuracy,
                regret=row.regret,
                rank=row.rank,
                table_architectures=table.architectures,
                table_best=table.best,
                table_all_skips=table.all_skips,
            )
            for row in record.rows
        ]

    def _open(self, kind: type[_Record], folder: TrialFolder) -> _Record | None:
        """Return the record of a trial, or None if there is none yet; count failed and unfinished trials."""
        record = kind.read(folder.path)
        if record is None:
            self.unfinished += 1
            return None
        if record.state == "failed":
            error = _first_error_line(record.error or "")
            self.failed.append(FailedTrial(record.kind, record.trial.to_json(), error))
        elif record.state == "running":
            self.unfinished += 1
        self.trials.append(_trial_row(self.sweep, record))
        return record

    def _read_allocation(self, folder: AllocationFolder, common: Mapping[str, Any]) -> tuple[tuple[int, str], float]:
        """Add the rows of one milestone; return milestone and ranker with the time that ranking took."""
        allocation = AllocationSummary.read(folder)
        epoch, ranking, agreement = allocation.epoch, allocation.ranking, allocation.agreement
        place = {**common, "epoch": epoch, "ranking": ranking}
        for rule, plan in sorted(allocation.plans.items()):
            self.allocations.append(
                AllocationRow(
                    **place,
                    allocation=rule,
                    refilled_share=plan.refilled_share,
                    parameters=plan.parameters,
                    kendall_tau=agreement.kendall_tau if agreement else None,
                    jaccard=agreement.jaccard if agreement else None,
                    decided_share=allocation.decided_share,
                )
            )
            self.edges += [
                EdgeRow(**place, allocation=rule, stage=stage, **edge._asdict(), kept_share=share)
                for stage, edge, share in allocation.kept_edges(rule)
            ]
        score_place = {key: value for key, value in place.items() if key in ScoreFile._fields}
        self.scores.append(ScoreFile(**score_place, file=folder.scores))
        return (epoch, ranking), allocation.seconds


def _trial_row(sweep: str, record: SearchRecord | NetworkRecord) -> TrialRow:
    trial, data = record.trial, record.data_info
    network = record.trial if isinstance(record, NetworkRecord) else None
    return TrialRow(
        sweep=sweep,
        kind=record.kind,
        state=record.state,
        method=trial.method,
        skip=trial.skip,
        space=trial.space_label,
        data=trial.data["name"],
        protocol=network.label if network else None,
        epochs=trial.epochs,
        seed=trial.seed,
        retrain_seed=trial.retrain_seed if isinstance(trial, RetrainingTrial) else None,
        num_epochs=record.num_epochs,
        precision=record.trial.precision if isinstance(record, SearchRecord) else None,
        device=record.hardware,
        host=record.host,
        threads=record.threads,
        resumes=record.resumes,
        options=_canonical({key: value for key, value in trial.data.items() if key != "name"}),
        data_source=data.source if data else None,
        data_digest=data.digest if data else None,
        augmentation=data.augmentation if data else None,
        image_size=f"{data.height}x{data.width}" if data else None,
        num_images=data.num_images if data else None,
        versions=_canonical(record.versions),
        fingerprint=record.fingerprint,
        candidates=trial.space,
    )


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector, which would traverse millions of objects of the records; none is in a cycle."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _subfolders(folder: StoragePath, ignored: Container[StoragePath]) -> list[TrialFolder]:
    if not folder.is_dir():
        return []
    paths: list[StoragePath] = sorted(path for path in folder.iterdir() if path.is_dir() and path not in ignored)
    return [TrialFolder(path) for path in paths]


def _data_and_network(trial: SearchTrial | NetworkTrial) -> dict[str, Any]:
    data = {key: value for key, value in trial.data.items() if key != "name"}
    return {"data": data, "network": trial.network}


def _network_setting(trial: NetworkTrial, search: _Search | None) -> dict[str, Any]:
    setting = {**_data_and_network(trial), "search": search.setting if search else None}
    if isinstance(trial, LookUpTrial) and "name" not in trial.table:  # the label lacks keys of a file
        setting["table"] = trial.table
    return setting


def _canonical(setting: Mapping[str, Any]) -> str:
    return json.dumps(setting, sort_keys=True, separators=(",", ":"))


def _seconds_until(last: int, curve: Mapping[int, _Epoch]) -> float | None:
    """Return the total time of the epochs up to `last`; None if there are none or one is unknown."""
    known = [epoch.seconds for number, epoch in curve.items() if number <= last and epoch.seconds is not None]
    return sum(known) if known and len(known) == last else None


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _first_error_line(text: str) -> str:
    """Return the first line of the error at the end of a traceback (a message may have several lines)."""
    lines = text.strip().splitlines()
    headers = [index for index, line in enumerate(lines) if line.startswith("Traceback (")]
    below = lines[headers[-1] + 1 :] if headers else lines
    return next((line.strip() for line in below if line.strip() and not line.startswith(" ")), "no error recorded")
