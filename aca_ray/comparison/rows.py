"""The machine-readable rows of a sweep, read from the files that its trials wrote.

A comparison is made from these rows alone. In all of them `data` is the name of the data set, `epochs` the
number of search epochs asked for, `seed` the search seed, and `setting` the rest of what must be equal for two rows to
be pooled (options of the data, batch size, width and depth of the networks) as canonical JSON.

Source: ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aca_ray.comparison.fields import Fields
from aca_ray.errors import ConfigError
from aca_ray.storage import StoragePath

SCHEMA = "aca_ray.record"
SCHEMA_VERSION = 1
STATES = ("running", "finished", "failed")


@dataclass(frozen=True)
class EvaluationRow:
    """One retrained network.

    Attributes:
        sweep: name of the sweep's folder.
        skip: `searched` or `allocated`.
        ranking: the ranker behind the channel plan; None when skip is `searched`.
        allocation: the allocation rule; None when skip is `searched`.
        test_accuracy: of the final epoch, in [0, 1].
        best_test_accuracy: of the best epoch, in [0, 1]; chosen on the test set, hence optimistic.
        macs: multiply-accumulate operations for one image.
        num_skips: kept edges, over both cells, that are skip connections.
        num_parametric: kept edges, over both cells, whose operation has weights.
        refilled_share: share of the channels that a skip connection refills, in [0, 1]; 0 when skip is `searched`.
        search_seconds: time of the search up to `epochs`; None when the search's record is gone or has no times.
        ranking_seconds: time of ranking and allocating its channels; None when skip is `searched`, or unknown.
        evaluation_seconds: time of the retraining.
        search_valid_accuracy: of the supernet at epoch `epochs` of the search, in [0, 1]; None where unknown.
        search_device: name of the search's processor or GPU; None where unknown.
        device: name of the retraining's processor or GPU, None likewise.
        search_peak_bytes: most memory that the search up to `epochs` held; None where unknown.
        peak_bytes: most memory that the retraining held; None where unknown.
        data_digest: SHA-256 of the training data; None where unknown.
        search: fingerprint of the search.
        evaluation: fingerprint of the evaluation.
    """

    sweep: str
    method: str
    skip: str
    space: str
    data: str
    setting: str
    epochs: int
    seed: int
    retrain_seed: int
    protocol: str
    ranking: str | None
    allocation: str | None
    test_accuracy: float
    best_test_accuracy: float
    parameters: int
    macs: int
    num_skips: int
    num_parametric: int
    refilled_share: float
    search_seconds: float | None
    ranking_seconds: float | None
    evaluation_seconds: float
    search_valid_accuracy: float | None
    search_device: str | None
    device: str | None
    search_peak_bytes: float | None
    peak_bytes: float | None
    data_digest: str | None
    search: str
    evaluation: str


@dataclass(frozen=True)
class CurveRow:
    """One epoch of one search; what the epoch did not measure, or what was not finite, is None.

    Attributes:
        epoch: counted from 1.
        search_valid_accuracy: of the supernet, in [0, 1]. Never a ranking: it is highest for collapsed cells.
        search_train_accuracy: of the supernet, in [0, 1].
        skip_count: skip connections in the genotype that this epoch would derive.
        parametric_count: operations with weights in that genotype.
        entropy: of the mixing weights, as a share of the largest possible, in [0, 1].
        generalization_gap: search_train_accuracy - search_valid_accuracy.
        genotype: that this epoch would derive, as `genotype_text` writes it.
        churn: kept edges, over both cells, that the epoch before did not keep with the same operation; None at the
            first epoch and where a genotype is unknown.
        search: fingerprint of the search.
    """

    sweep: str
    method: str
    skip: str
    space: str
    data: str
    setting: str
    epochs: int
    seed: int
    epoch: int
    search_valid_accuracy: float | None
    search_train_accuracy: float | None
    skip_count: float | None
    parametric_count: float | None
    entropy: float | None
    generalization_gap: float | None
    genotype: str | None
    churn: int | None
    search: str


@dataclass(frozen=True)
class AllocationRow:
    """One allocation rule at one milestone of one search without skips.

    Attributes:
        epoch: the milestone, counted from 1.
        refilled_share: share of the channels that a skip connection refills, in [0, 1].
        parameters: of the derived network.
        kendall_tau: agreement of the channel ranks with the milestone before, in [-1, 1]; None at the first.
        jaccard: overlap of the kept channels with the milestone before, in [0, 1]; None at the first.
        decided_share: share of the channels whose score stands clear of its standard error, in [0, 1].
        search: fingerprint of the search.
    """

    sweep: str
    method: str
    space: str
    data: str
    setting: str
    epochs: int
    seed: int
    epoch: int
    ranking: str
    allocation: str
    refilled_share: float
    parameters: int
    kendall_tau: float | None
    jaccard: float | None
    decided_share: float
    search: str


@dataclass(frozen=True)
class EdgeRow:
    """One kept edge in one stage, under one allocation rule at one milestone of one search without skips.

    Attributes:
        epoch: the milestone, counted from 1.
        stage: 0 to 4; even ones hold normal cells, odd ones reduction cells.
        source: node that the edge reads.
        target: node that the edge is summed into.
        kept_share: share of the channels that the operation keeps, in [0, 1]; a skip connection refills the rest.
        search: fingerprint of the search.
    """

    sweep: str
    method: str
    space: str
    data: str
    setting: str
    epochs: int
    seed: int
    epoch: int
    ranking: str
    allocation: str
    stage: int
    source: int
    target: int
    operation: str
    kept_share: float
    search: str


@dataclass(frozen=True)
class TrialRow:
    """Where a result comes from: one row per trial that has a record, whatever its state.

    Attributes:
        kind: `search` or `evaluation`.
        state: `running`, `finished` or `failed`.
        retrain_seed: None for a search; so is protocol.
        epochs: number of search epochs behind it.
        num_epochs: number of epochs of the trial itself.
        device: name of the processor or GPU; None where unknown, as all below.
        host: the machine that ran it last.
        threads: torch threads.
        resumes: how often it was taken up again from a checkpoint.
        options: what of the data is asked for besides its name, as canonical JSON.
        num_images: training images in use; for a search, those of search_train and search_valid.
        versions: of the code, packages and python, as canonical JSON.
        fingerprint: of the trial.
    """

    sweep: str
    kind: str
    state: str
    method: str
    skip: str
    space: str
    data: str
    protocol: str | None
    epochs: int
    seed: int
    retrain_seed: int | None
    num_epochs: int | None
    device: str | None
    host: str | None
    threads: int | None
    resumes: int | None
    options: str
    data_source: str | None
    data_digest: str | None
    num_images: int | None
    versions: str
    fingerprint: str


@dataclass(frozen=True, eq=False)
class MixingTrajectory:
    """How the mixing weights of one cell type went during one search.

    Attributes:
        cell_type: `normal` or `reduce`.
        candidates: names of the operations, in canonical order.
        edges: the cell's edges, as "0->2".
        epochs: one per row of the weights; an epoch of an older record without mixing weights is missing.
        weights: (len(epochs), len(edges), len(candidates)) float32; NaN where an edge does not offer a candidate.
        search: fingerprint of the search.
    """

    sweep: str
    method: str
    skip: str
    space: str
    data: str
    seed: int
    cell_type: str
    candidates: tuple[str, ...]
    edges: tuple[str, ...]
    epochs: tuple[int, ...]
    weights: NDArray[np.float32]
    search: str


class ScoreFile(NamedTuple):
    """Where the channel scores of one milestone of one search lie.

    Attributes:
        file: the Parquet file with one row per channel.
    """

    method: str
    space: str
    data: str
    setting: str
    epochs: int
    search: str
    epoch: int
    ranking: str
    file: StoragePath


class FailedTrial(NamedTuple):
    """A trial that ended in an error.

    Attributes:
        kind: `search` or `evaluation`.
        trial: the trial as its record holds it.
        error: the first line of the error, without the traceback above it.
    """

    kind: str
    trial: Mapping[str, Any]
    error: str


@dataclass(frozen=True)
class SweepRows:
    """All rows of one sweep.

    Attributes:
        evaluations: one row per finished evaluation.
        curves: one row per epoch of every search, finished or not.
        allocations: one row per milestone and rule of every allocated search, finished or not.
        failed: the trials that ended in an error.
        unfinished: number of trials that were begun and are neither finished nor failed.
        sweep: name of the sweep's folder.
        edges: one row per milestone, rule, stage and kept edge of every allocated search, finished or not.
        trajectories: one per cell type of every search whose record holds mixing weights.
        trials: one row per trial that has a record.
        scores: one per milestone of every allocated search.
    """

    evaluations: tuple[EvaluationRow, ...] = ()
    curves: tuple[CurveRow, ...] = ()
    allocations: tuple[AllocationRow, ...] = ()
    failed: tuple[FailedTrial, ...] = ()
    unfinished: int = 0
    sweep: str = ""
    edges: tuple[EdgeRow, ...] = ()
    trajectories: tuple[MixingTrajectory, ...] = ()
    trials: tuple[TrialRow, ...] = ()
    scores: tuple[ScoreFile, ...] = ()


def genotype_text(genotype: Mapping[str, Any]) -> str:
    """Return a genotype, given as JSON, as one short text that equal genotypes share.

    Both cells, the normal one first, stand on either side of " / "; in a cell nodes are parted by "|" and the edges into
    a node, sources ascending, by "+", each as operation~source. A cell without edges is left out.
    """
    raise NotImplementedError


def read_sweep(folder: StoragePath) -> SweepRows:
    """Return the rows of a sweep's folder, as far as it has come.

    Raises:
        ConfigError: the folder is missing, or files are malformed; names every one of them.

    Source: ours.
    """
    if not folder.is_dir():
        raise ConfigError(f"{folder}: must be the folder of a sweep, found no folder; give <storage>/<sweep name>")
    reading = _Reading(folder.name)
    for trial_folder in _subfolders(folder / "searches"):
        reading.attempt(reading.read_search, trial_folder)
    for trial_folder in _subfolders(folder / "evaluations"):
        reading.attempt(reading.read_evaluation, trial_folder)
    if reading.problems:
        raise ConfigError(reading.problems)
    return SweepRows(
        evaluations=tuple(sorted(reading.evaluations, key=lambda row: row.evaluation)),
        curves=tuple(reading.curves),
        allocations=tuple(reading.allocations),
        failed=tuple(reading.failed),
        unfinished=reading.unfinished,
    )


class _Search(NamedTuple):
    """What an evaluation needs to know of its search."""

    setting: Mapping[str, Any]
    epoch_seconds: Mapping[int, float]


@dataclass
class _Reading:
    """The rows read so far and the problems met."""

    sweep: str
    evaluations: list[EvaluationRow] = field(default_factory=list)
    curves: list[CurveRow] = field(default_factory=list)
    allocations: list[AllocationRow] = field(default_factory=list)
    failed: list[FailedTrial] = field(default_factory=list)
    unfinished: int = 0
    searches: dict[str, _Search] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def attempt(self, read: Callable[[StoragePath], None], folder: StoragePath) -> None:
        """Read one trial's folder, and note its problems instead of stopping at the first."""
        try:
            read(folder)
        except ConfigError as error:
            self.problems.extend(error.problems)

    def read_search(self, folder: StoragePath) -> None:
        """Add the curves and allocations of one search."""
        record = self._open(folder, "search")
        if record is None:
            return
        trial = record.section("trial")
        setting = {"batch_size": trial.values.get("batch_size"), **_data_and_network(trial)}
        if trial.values.get("data_pruning") is not None:
            setting["data_pruning"] = trial.text("data_pruning")
        common: dict[str, Any] = {
            "sweep": self.sweep,
            "method": trial.text("method"),
            "space": trial.text("space"),
            "data": trial.section("data").text("name"),
            "setting": _canonical(setting),
            "epochs": trial.integer("epochs"),
            "seed": trial.integer("seed"),
        }
        epoch_seconds: dict[int, float] = {}
        for row in record.sections("rows"):
            epoch, metrics = row.integer("epoch"), row.section("metrics")
            seconds = metrics.optional_number("time/epoch_seconds")
            if seconds is not None:
                epoch_seconds[epoch] = seconds
            self.curves.append(
                CurveRow(
                    **common,
                    skip=trial.text("skip"),
                    epoch=epoch,
                    search_valid_accuracy=metrics.optional_number("search_valid/accuracy"),
                    search_train_accuracy=metrics.optional_number("search_train/accuracy"),
                    skip_count=metrics.optional_number("arch/skip_count"),
                    parametric_count=metrics.optional_number("arch/parametric_count"),
                    entropy=metrics.optional_number("arch/entropy"),
                )
            )
        self.searches[record.text("fingerprint")] = _Search(setting, epoch_seconds)
        files: list[StoragePath] = sorted(folder.glob("allocations/*/allocation.json"))
        for file in files:
            self._read_allocation(file, common)

    def read_evaluation(self, folder: StoragePath) -> None:
        """Add the row of one evaluation, if it is finished."""
        record = self._open(folder, "evaluation")
        if record is None or record.text("state") != "finished":
            return
        trial, result = record.section("trial"), record.section("result")
        search = self.searches.get(trial.text("search"))
        epochs = trial.integer("epochs")
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
                protocol=trial.text("protocol"),
                ranking=trial.optional_text("ranking"),
                allocation=trial.optional_text("allocation"),
                test_accuracy=result.number("test_accuracy"),
                best_test_accuracy=result.number("best_test_accuracy"),
                parameters=result.integer("parameters"),
                macs=result.integer("macs"),
                num_skips=result.integer("num_skips"),
                num_parametric=result.integer("num_parametric"),
                refilled_share=result.number("refilled_share"),
                search_seconds=_seconds_until(epochs, search.epoch_seconds) if search else None,
                evaluation_seconds=record.number("seconds"),
                search=trial.text("search"),
                evaluation=record.text("fingerprint"),
            )
        )

    def _open(self, folder: StoragePath, kind: str) -> Fields | None:
        """Return the record of a trial, counting it if it failed or is unfinished; None when there is none yet."""
        file = folder / "record.json"
        if not file.exists():
            self.unfinished += 1
            return None
        record = Fields.read(file)
        if record.values.get("schema") != SCHEMA or record.values.get("version") != SCHEMA_VERSION:
            raise record.problem("schema", f"{SCHEMA!r} with version {SCHEMA_VERSION}")
        if record.values.get("kind") != kind:
            raise record.problem("kind", repr(kind))
        state = record.text("state")
        if state not in STATES:
            raise record.problem("state", f"one of {', '.join(STATES)}")
        if state == "failed":
            error = _first_error_line(record.optional_text("error") or "")
            self.failed.append(FailedTrial(kind, dict(record.section("trial").values), error))
        elif state == "running":
            self.unfinished += 1
        return record

    def _read_allocation(self, file: StoragePath, common: Mapping[str, Any]) -> None:
        allocation = Fields.read(file)
        agreement = allocation.optional_section("agreement")
        plans = allocation.section("plans")
        for rule in sorted(plans.values):
            plan = plans.section(rule)
            self.allocations.append(
                AllocationRow(
                    **common,
                    epoch=allocation.integer("epoch"),
                    ranking=allocation.text("ranking"),
                    allocation=rule,
                    refilled_share=plan.number("refilled_share"),
                    parameters=plan.integer("parameters"),
                    kendall_tau=agreement.optional_number("kendall_tau") if agreement else None,
                    jaccard=agreement.optional_number("jaccard") if agreement else None,
                    decided_share=allocation.number("decided_share"),
                )
            )


def _subfolders(folder: StoragePath) -> list[StoragePath]:
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def _data_and_network(trial: Fields) -> dict[str, Any]:
    data = {key: value for key, value in trial.section("data").values.items() if key != "name"}
    return {"data": data, "network": trial.values.get("network")}


def _evaluation_setting(trial: Fields, search: _Search | None) -> dict[str, Any]:
    setting = {**_data_and_network(trial), "search": search.setting if search else None}
    if trial.values.get("table") is not None:
        setting["table"] = trial.values["table"]
    return setting


def _canonical(setting: Mapping[str, Any]) -> str:
    return json.dumps(setting, sort_keys=True, separators=(",", ":"))


def _seconds_until(epoch: int, epoch_seconds: Mapping[int, float]) -> float | None:
    """Return the time of all epochs up to `epoch`, or to the last if that is earlier; None if one is unknown."""
    last = min(epoch, max(epoch_seconds, default=0))
    if last == 0 or not all(index in epoch_seconds for index in range(1, last + 1)):
        return None
    return sum(epoch_seconds[index] for index in range(1, last + 1))


def _first_error_line(text: str) -> str:
    """Return the first line of the error that ends a traceback text (a message may have several lines)."""
    lines = text.strip().splitlines()
    headers = [index for index, line in enumerate(lines) if line.startswith("Traceback (")]
    below = lines[headers[-1] + 1 :] if headers else lines
    return next((line.strip() for line in below if line.strip() and not line.startswith(" ")), "no error recorded")
