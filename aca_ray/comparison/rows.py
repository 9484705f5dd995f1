"""The machine-readable rows of a sweep.

These rows are the only input of a comparison. In all of them, `data` is the name of the data set, `epochs` the number
of requested search epochs, and `seed` the search seed. `setting` is canonical JSON of everything else that must be
equal before rows are pooled: options of the data, batch size, width and depth of the networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aca_ray.storage import StoragePath


@dataclass(frozen=True)
class NetworkRow:
    """One retrained or looked-up network.

    Attributes:
        sweep: name of the sweep's folder.
        skip: `searched` or `allocated`.
        protocol: label of the retraining protocol, or `table` and its name.
        ranking: ranker behind the channel plan; None if skip is `searched` or allocation is `all`.
        allocation: allocation rule; None if skip is `searched`, `all` if nothing is refilled.
        control: control that changed the plan of the rule; None for the plan itself.
        test_accuracy: accuracy at the final epoch, in [0, 1].
        best_test_accuracy: accuracy at the best epoch, in [0, 1]; chosen on the test set, hence optimistic.
        macs: multiply-accumulate operations for one image.
        num_skips: kept edges, over both cells, that are skip connections.
        num_parametric: kept edges, over both cells, whose operation has weights.
        refilled_share: share of the channels that a skip connection refills, in [0, 1]; 0 if skip is `searched`.
        search_seconds: time of the search up to `epochs`; None if the record of the search is missing or has no times.
        ranking_seconds: time of ranking and allocating its channels; None if skip is `searched`, or unknown.
        retraining_seconds: time of the retraining or look-up.
        search_valid_accuracy: accuracy of the supernet at epoch `epochs` of the search, in [0, 1]; None if unknown.
        search_device: name of the processor or GPU of the search; None if unknown.
        device: name of the processor or GPU of the retraining; None if unknown.
        search_peak_bytes: peak memory of the search up to `epochs`; None if unknown.
        peak_bytes: peak memory of the retraining; None if unknown.
        data_digest: SHA-256 of the training data; None if unknown.
        search: fingerprint of the search.
        fingerprint: fingerprint of the retraining or look-up.
        regret: accuracy of the best architecture of the table minus test_accuracy; None unless looked up.
        rank: 1 + the number of architectures of the table with a higher accuracy; None unless looked up.
        shared_with: fingerprint of an identical retraining whose result was copied; None if it ran itself.
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
    control: str | None
    test_accuracy: float
    best_test_accuracy: float
    parameters: int
    macs: int
    num_skips: int
    num_parametric: int
    refilled_share: float
    search_seconds: float | None
    ranking_seconds: float | None
    retraining_seconds: float
    search_valid_accuracy: float | None
    search_device: str | None
    device: str | None
    search_peak_bytes: float | None
    peak_bytes: float | None
    data_digest: str | None
    search: str
    fingerprint: str
    regret: float | None = None
    rank: int | None = None
    shared_with: str | None = None


@dataclass(frozen=True)
class CurveRow:
    """One epoch of one search; values that were not measured or not finite are None.

    Attributes:
        epoch: counted from 1.
        search_valid_accuracy: accuracy of the supernet, in [0, 1]; highest for collapsed cells, so never a ranking.
        search_train_accuracy: accuracy of the supernet, in [0, 1].
        skip_count: skip connections in the genotype that this epoch would derive.
        parametric_count: operations with weights in that genotype.
        entropy: entropy of the mixing weights, as a share of the largest possible, in [0, 1].
        generalization_gap: search_train_accuracy - search_valid_accuracy.
        genotype: genotype that this epoch would derive, in the notation of `genotype_text`.
        churn: kept edges, over both cells, that the previous epoch did not keep with the same operation; None at the
            first epoch and if a genotype is unknown.
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
class LookUpRow:
    """The cell of one epoch of one search, looked up in the table of a benchmark.

    Attributes:
        protocol: `table` and the name of the table.
        ranking: ranker behind the cell; None if the cell is as the search found it.
        allocation: rule of whole edges; None if skip is `searched`, `all` if nothing is refilled.
        control: control that changed the plan of the rule, or None.
        epoch: epoch of the search, counted from 1.
        accuracy: test accuracy of the benchmark, in [0, 1]; None if the table lacks the cell, as for regret and rank.
        regret: accuracy of the best architecture of the table minus `accuracy`.
        rank: 1 + the number of architectures of the table with a higher accuracy.
        table_architectures: number of architectures in the table.
        table_best: accuracy of the best architecture.
        table_all_skips: accuracy of the cell with only skip connections; None if the table lacks it.
        search: fingerprint of the search.
        fingerprint: fingerprint of the look-up.
    """

    sweep: str
    method: str
    skip: str
    space: str
    data: str
    setting: str
    epochs: int
    seed: int
    protocol: str
    ranking: str | None
    allocation: str | None
    control: str | None
    epoch: int
    accuracy: float | None
    regret: float | None
    rank: int | None
    table_architectures: int
    table_best: float
    table_all_skips: float | None
    search: str
    fingerprint: str


@dataclass(frozen=True)
class AllocationRow:
    """One allocation rule at one milestone of one search without skips.

    Attributes:
        epoch: the milestone, counted from 1.
        refilled_share: share of the channels that a skip connection refills, in [0, 1].
        parameters: parameters of the derived network.
        kendall_tau: agreement of the channel ranks with the previous milestone, in [-1, 1]; None at the first.
        jaccard: overlap of the kept channels with the previous milestone, in [0, 1]; None at the first.
        decided_share: share of the channels whose score is clear of its standard error, in [0, 1]; None if the ranker
            gives no errors.
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
    decided_share: float | None
    search: str


@dataclass(frozen=True)
class EdgeRow:
    """One kept edge in one stage, under one allocation rule at one milestone of one search without skips.

    Attributes:
        epoch: the milestone, counted from 1.
        stage: 0 to 4; even ones have normal cells, odd ones reduction cells.
        source: input node of the edge.
        target: output node of the edge.
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
    """Provenance of a result: one row per trial with a record, in any state.

    Attributes:
        kind: `search`, `retraining` or `look-up`.
        state: `running`, `finished` or `failed`.
        protocol: protocol of a retraining; None for a search.
        retrain_seed: seed of a retraining; None for a search.
        epochs: number of search epochs.
        num_epochs: number of epochs of the trial itself.
        precision: precision of a search, `float32` or `bfloat16`; None for a retraining.
        device: name of the processor or GPU; None if unknown, as for all fields below.
        host: machine that ran the trial last.
        threads: number of torch threads.
        resumes: number of resumes from a checkpoint.
        options: options of the data besides its name, as canonical JSON.
        augmentation: active augmentation keys of the data mapping, such as `crop and flip`.
        image_size: height and width of the images that networks see, such as `16x16`.
        num_images: training images in use; for a search, those of search_train and search_valid.
        versions: versions of the code, packages and Python, as canonical JSON.
        fingerprint: fingerprint of the trial.
        candidates: name of the space, or its canonical text, of which `space` may be a shortened label.
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
    precision: str | None
    device: str | None
    host: str | None
    threads: int | None
    resumes: int | None
    options: str
    data_source: str | None
    data_digest: str | None
    augmentation: str | None
    image_size: str | None
    num_images: int | None
    versions: str
    fingerprint: str
    candidates: str = ""


@dataclass(frozen=True, eq=False)
class MixingTrajectory:
    """The mixing weights of one cell type over the epochs of one search.

    Attributes:
        cell_type: `normal` or `reduce`.
        candidates: names of the operations, in canonical order.
        edges: edges of the cell, such as "0->2".
        epochs: one per row of the weights.
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
    """The file of the channel scores of one milestone of one search.

    Attributes:
        file: Parquet file with one row per channel.
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
        kind: `search`, `retraining` or `look-up`.
        trial: trial as in its record.
        error: first line of the error, without the traceback above it.
    """

    kind: str
    trial: Mapping[str, Any]
    error: str


@dataclass(frozen=True)
class SweepRows:
    """All rows of one sweep.

    Attributes:
        networks: one row per finished retraining or look-up.
        curves: one row per epoch of every search, finished or not.
        allocations: one row per milestone and rule of every allocated search, finished or not.
        failed: trials that ended in an error.
        unfinished: number of trials that have neither finished nor failed; of a folder without its spec, only those
            that have begun.
        sweep: name of the sweep's folder.
        edges: one row per milestone, rule, stage and kept edge of every allocated search, finished or not.
        trajectories: one per cell type of every search whose record has mixing weights.
        trials: one row per trial with a record.
        scores: one per milestone of every allocated search.
        look_ups: one row per epoch of every finished look-up.
    """

    networks: tuple[NetworkRow, ...] = ()
    curves: tuple[CurveRow, ...] = ()
    allocations: tuple[AllocationRow, ...] = ()
    failed: tuple[FailedTrial, ...] = ()
    unfinished: int = 0
    sweep: str = ""
    edges: tuple[EdgeRow, ...] = ()
    trajectories: tuple[MixingTrajectory, ...] = ()
    trials: tuple[TrialRow, ...] = ()
    scores: tuple[ScoreFile, ...] = ()
    look_ups: tuple[LookUpRow, ...] = ()
