"""Reads the rows of a sweep from the files of its trials, each file once."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from aca_ray.comparison.architectures import Derived, churn, derived, mixing
from aca_ray.comparison.fields import Fields
from aca_ray.comparison.rows import (
    AllocationRow,
    CurveRow,
    EdgeRow,
    EvaluationRow,
    FailedTrial,
    LookUpRow,
    MixingTrajectory,
    ScoreFile,
    SweepRows,
    TrialRow,
)
from aca_ray.errors import ConfigError
from aca_ray.records import AllocationFolder, SweepFolder, TrialFolder
from aca_ray.records.allocation import read_allocation
from aca_ray.records.checking import check
from aca_ray.records.labels import evaluation_label
from aca_ray.records.record import FIX, read_record_json
from aca_ray.records.types import RECORD
from aca_ray.space.topology import stage_cell_type
from aca_ray.storage import StoragePath


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
        for trial_folder in _subfolders(folder.searches, ignored):
            reading.attempt(reading.read_search, trial_folder)
        for trial_folder in _subfolders(folder.retrainings, ignored):
            reading.attempt(reading.read_evaluation, trial_folder)
    if reading.problems:
        raise ConfigError(reading.problems)
    return SweepRows(
        evaluations=tuple(sorted(reading.evaluations, key=lambda row: row.evaluation)),
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
    """What an evaluation needs from one epoch of its search."""

    seconds: float | None
    peak_bytes: float | None
    valid_accuracy: float | None


class _Search(NamedTuple):
    """What an evaluation needs from its search; `ranking_seconds` are per milestone and ranker."""

    setting: Mapping[str, Any]
    epochs: Mapping[int, _Epoch]
    device: str | None
    ranking_seconds: Mapping[tuple[int, str], float | None]


@dataclass
class _Reading:
    """The rows read so far and the problems found."""

    sweep: str
    evaluations: list[EvaluationRow] = field(default_factory=list)
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

    def attempt(self, read: Callable[[StoragePath], None], folder: StoragePath) -> None:
        """Read the folder of one trial, and collect its problems instead of stopping at the first."""
        try:
            read(folder)
        except ConfigError as error:  # MalformedFileError among them
            self.problems.extend(error.problems)

    def read_search(self, folder: StoragePath) -> None:
        """Add the curves, trajectories and allocations of one search."""
        record = self._open(folder, "search")
        if record is None:
            return
        trial = record.section("trial")
        setting = {"batch_size": trial.values.get("batch_size"), **_data_and_network(trial)}
        if trial.values.get("data_pruning") is not None:
            setting["data_pruning"] = trial.text("data_pruning")
        if trial.values.get("precision") is not None:
            setting["precision"] = trial.text("precision")
        search = record.text("fingerprint")
        common: dict[str, Any] = {
            "sweep": self.sweep,
            "method": trial.text("method"),
            "space": trial.text("space"),
            "data": trial.section("data").text("name"),
            "setting": _canonical(setting),
            "epochs": trial.integer("epochs"),
            "seed": trial.integer("seed"),
            "search": search,
        }
        epochs = self._read_rows(record, common, trial.text("skip"))
        ranking_seconds = dict(self._read_allocation(own, common) for own in TrialFolder(folder).allocations())
        self.searches[search] = _Search(setting, epochs, _device(record), ranking_seconds)

    def _read_rows(self, record: Fields, common: Mapping[str, Any], skip: str) -> dict[int, _Epoch]:
        """Add a curve row per epoch and the mixing trajectories; return what evaluations need from the epochs."""
        epochs: dict[int, _Epoch] = {}
        architectures: list[tuple[int, Fields]] = []
        before: Derived | None = None
        for row in record.sections("rows"):
            epoch, metrics = row.integer("epoch"), row.section("metrics")
            architecture = row.optional_section("architecture")
            valid, train = (metrics.optional_number(f"search_{split}/accuracy") for split in ("valid", "train"))
            epochs[epoch] = _Epoch(
                metrics.optional_number("time/epoch_seconds"), metrics.optional_number("memory/peak_bytes"), valid
            )
            now = None
            if architecture is not None:
                now = derived(architecture, before)
                architectures.append((epoch, architecture))
            self.curves.append(
                CurveRow(
                    **common,
                    skip=skip,
                    epoch=epoch,
                    search_valid_accuracy=valid,
                    search_train_accuracy=train,
                    skip_count=metrics.optional_number("arch/skip_count"),
                    parametric_count=metrics.optional_number("arch/parametric_count"),
                    entropy=metrics.optional_number("arch/entropy"),
                    generalization_gap=None if train is None or valid is None else train - valid,
                    genotype=None if now is None else now.text,
                    churn=None if now is None or before is None else churn(before, now),
                )
            )
            before = now
        place = {key: common[key] for key in ("sweep", "method", "space", "data", "seed", "search")}
        self.trajectories += [
            MixingTrajectory(**place, skip=skip, cell_type=cell_type, **weights._asdict())
            for cell_type, weights in mixing(architectures).items()
        ]
        return epochs

    def read_evaluation(self, folder: StoragePath) -> None:
        """Add the row of one evaluation if it has finished."""
        record = self._open(folder, "evaluation")
        if record is None or record.text("state") != "finished":
            return
        trial, result = record.section("trial"), record.section("result")
        search = self.searches.get(trial.text("search"))
        epochs, ranking = trial.integer("epochs"), trial.optional_text("ranking")
        curve = search.epochs if search else {}
        last = min(epochs, max(curve, default=0))
        metrics = [row.section("metrics") for row in record.sections("rows")]
        self.evaluations.append(
            EvaluationRow(
                sweep=self.sweep,
                method=trial.text("method"),
                skip=trial.text("skip"),
                space=trial.text("space"),
                data=trial.section("data").text("name"),
                setting=_canonical(_evaluation_setting(trial, search)),
                epochs=epochs,
                seed=trial.integer("seed"),
                retrain_seed=trial.integer("retrain_seed"),
                protocol=evaluation_label(trial.values),
                ranking=ranking,
                allocation=trial.optional_text("allocation"),
                control=trial.optional_text("control"),
                test_accuracy=result.number("test_accuracy"),
                best_test_accuracy=result.number("best_test_accuracy"),
                parameters=result.integer("parameters"),
                macs=result.integer("macs"),
                num_skips=result.integer("num_skips"),
                num_parametric=result.integer("num_parametric"),
                refilled_share=result.number("refilled_share"),
                search_seconds=_seconds_until(last, curve),
                ranking_seconds=search.ranking_seconds.get((last, ranking)) if search and ranking else None,
                evaluation_seconds=record.number("seconds"),
                search_valid_accuracy=curve[last].valid_accuracy if last in curve else None,
                search_device=search.device if search else None,
                device=_device(record),
                search_peak_bytes=_largest(curve[epoch].peak_bytes for epoch in curve if epoch <= last),
                peak_bytes=_largest(row.optional_number("memory/peak_bytes") for row in metrics),
                data_digest=_data_info(record).optional_text("digest"),
                search=trial.text("search"),
                evaluation=record.text("fingerprint"),
                regret=result.optional_number("regret"),
                rank=result.optional_integer("rank"),
                shared_with=record.optional_text("shared_with"),
            )
        )
        table = result.optional_section("table")
        if table is not None:
            self._read_look_up(record, self.evaluations[-1], table)

    def _read_look_up(self, record: Fields, evaluation: EvaluationRow, table: Fields) -> None:
        """Add the rows of one finished look-up."""
        shared = {column.name for column in fields(EvaluationRow)} & {column.name for column in fields(LookUpRow)}
        place = {name: getattr(evaluation, name) for name in shared - {"regret", "rank"}}
        for row in record.sections("rows"):
            metrics = row.section("metrics")
            self.look_ups.append(
                LookUpRow(
                    **place,
                    epoch=row.integer("epoch"),
                    accuracy=metrics.optional_number("test/accuracy"),
                    regret=metrics.optional_number("table/regret"),
                    rank=metrics.optional_integer("table/rank"),
                    table_architectures=table.integer("architectures"),
                    table_best=table.number("best"),
                    table_all_skips=table.optional_number("all_skips"),
                )
            )

    def _open(self, folder: StoragePath, kind: str) -> Fields | None:
        """Return the record of a trial, or None if there is none yet; count failed and unfinished trials."""
        file = TrialFolder(folder).record
        if not file.exists():
            self.unfinished += 1
            return None
        values = read_record_json(file)
        check(RECORD, values, str(file), FIX)
        record = Fields(values, file)
        if record.values["kind"] != kind:
            raise record.problem("kind", repr(kind))
        state = record.text("state")
        if state == "failed":
            error = _first_error_line(record.optional_text("error") or "")
            self.failed.append(FailedTrial(kind, dict(record.section("trial").values), error))
        elif state == "running":
            self.unfinished += 1
        self.trials.append(_trial_row(self.sweep, record))
        return record

    def _read_allocation(
        self, folder: AllocationFolder, common: Mapping[str, Any]
    ) -> tuple[tuple[int, str], float | None]:
        """Add the rows of one milestone; return milestone and ranker with the time that ranking took."""
        allocation = Fields(read_allocation(folder.summary), folder.summary)
        agreement = allocation.optional_section("agreement")
        epoch, ranking = allocation.integer("epoch"), allocation.text("ranking")
        place = {**common, "epoch": epoch, "ranking": ranking}
        plans = allocation.section("plans")
        for rule in sorted(plans.values):
            plan = plans.section(rule)
            self.allocations.append(
                AllocationRow(
                    **place,
                    allocation=rule,
                    refilled_share=plan.number("refilled_share"),
                    parameters=plan.integer("parameters"),
                    kendall_tau=agreement.optional_number("kendall_tau") if agreement else None,
                    jaccard=agreement.optional_number("jaccard") if agreement else None,
                    decided_share=allocation.optional_number("decided_share"),
                )
            )
            self.edges += [
                EdgeRow(**place, allocation=rule, stage=stage, **edge)
                for stage, edge in _planned_edges(allocation.section("genotype"), plan)
            ]
        score_place = {key: value for key, value in place.items() if key in ScoreFile._fields}
        self.scores.append(ScoreFile(**score_place, file=folder.scores))
        return (epoch, ranking), allocation.optional_number("seconds")


def _planned_edges(genotype: Fields, plan: Fields) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the stage and the fields of every kept edge of a plan."""
    try:
        for stage, shares in enumerate(plan.values["kept_share"]):
            kept = genotype.values[stage_cell_type(stage)]["edges"]
            for (operation, source, target), share in zip(kept, shares, strict=True):
                yield (
                    stage,
                    {"operation": operation, "source": source, "target": target, "kept_share": float(share)},
                )
    except (KeyError, TypeError, ValueError) as error:
        raise plan.problem("kept_share", "per stage one number for every kept edge of the genotype") from error


def _trial_row(sweep: str, record: Fields) -> TrialRow:
    trial, info = record.section("trial"), _data_info(record)
    environment = record.optional_section("environment")
    versions = dict(environment.values) if environment else {}
    versions.pop("device", None)
    data = trial.section("data")
    return TrialRow(
        sweep=sweep,
        kind=record.text("kind"),
        state=record.text("state"),
        method=trial.text("method"),
        skip=trial.text("skip"),
        space=trial.text("space"),
        data=data.text("name"),
        protocol=evaluation_label(trial.values) if record.text("kind") == "evaluation" else None,
        epochs=trial.integer("epochs"),
        seed=trial.integer("seed"),
        retrain_seed=trial.optional_integer("retrain_seed"),
        num_epochs=record.optional_integer("num_epochs"),
        precision=(trial.optional_text("precision") or "float32") if record.text("kind") == "search" else None,
        device=_device(record),
        host=(record.optional_text("process") or "").rpartition(":")[0] or None,
        threads=record.optional_integer("threads"),
        resumes=record.optional_integer("resumes"),
        options=_canonical({key: value for key, value in data.values.items() if key != "name"}),
        data_source=info.optional_text("source"),
        data_digest=info.optional_text("digest"),
        augmentation=info.optional_text("augmentation"),
        image_size=_image_size(info),
        num_images=info.optional_integer("num_images"),
        versions=_canonical(versions),
        fingerprint=record.text("fingerprint"),
    )


def _data_info(record: Fields) -> Fields:
    return record.optional_section("data_info") or Fields({}, record.file)


def _image_size(info: Fields) -> str | None:
    height, width = info.optional_integer("height"), info.optional_integer("width")
    return None if height is None or width is None else f"{height}x{width}"


def _device(record: Fields) -> str | None:
    """Return the name of the hardware; for older records, torch's name of the device."""
    environment = record.optional_section("environment")
    return (environment.optional_text("device") if environment else None) or record.optional_text("device")


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


def _subfolders(folder: StoragePath, ignored: Container[StoragePath]) -> list[StoragePath]:
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.is_dir() and path not in ignored)


def _data_and_network(trial: Fields) -> dict[str, Any]:
    data = {key: value for key, value in trial.section("data").values.items() if key != "name"}
    return {"data": data, "network": trial.values.get("network")}


def _evaluation_setting(trial: Fields, search: _Search | None) -> dict[str, Any]:
    setting = {**_data_and_network(trial), "search": search.setting if search else None}
    table = trial.values.get("table")
    if table is not None and "name" not in table:  # the label has the name of a table, but not all of a file's keys
        setting["table"] = table
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
