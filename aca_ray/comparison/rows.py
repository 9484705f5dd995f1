"""The machine-readable rows of a sweep.

A comparison is made from these rows alone. In all of them `data` is the name of the data set, `epochs` the
number of search epochs asked for, `seed` the search seed, and `setting` the rest of what must be equal for two rows to
be pooled (options of the data, batch size, width and depth of the networks) as canonical JSON.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from aca_ray.storage import StoragePath


@dataclass(frozen=True)
class EvaluationRow:
    """One evaluated network.

    Attributes:
        sweep: name of the sweep's folder.
        skip: `searched` or `allocated`.
        protocol: how it was evaluated, as `evaluation_label` names it: a retraining protocol, or `table` and its name.
        ranking: the ranker behind the channel plan; None when skip is `searched` or allocation is `all`.
        allocation: the allocation rule; None when skip is `searched`, `all` where nothing is refilled.
        control: what the rule's plan was changed by; None for the rule's own plan.
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
        regret: accuracy of the best architecture of the table minus test_accuracy; None where nothing is looked up.
        rank: 1 + the number of the table's architectures with a higher accuracy; None likewise.
        shared_with: fingerprint of an equal retraining whose result was copied; None where it ran itself.
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
    evaluation_seconds: float
    search_valid_accuracy: float | None
    search_device: str | None
    device: str | None
    search_peak_bytes: float | None
    peak_bytes: float | None
    data_digest: str | None
    search: str
    evaluation: str
    regret: float | None = None
    rank: int | None = None
    shared_with: str | None = None


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
class LookUpRow:
    """The cell of one epoch of one search, as the table of a benchmark knows it.

    Attributes:
        protocol: `table` and the table's name.
        ranking: the ranker behind the cell; None where the cell is as the search found it.
        allocation: the rule of whole edges; None when skip is `searched`, `all` where nothing is refilled.
        control: what the rule's plan was changed by, or None.
        epoch: of the search, counted from 1.
        accuracy: test accuracy of the benchmark, in [0, 1]; None where the table lacks the cell, as regret and rank.
        regret: accuracy of the table's best architecture minus `accuracy`.
        rank: 1 + the number of the table's architectures with a higher accuracy.
        table_architectures: number of architectures in the table.
        table_best: accuracy of its best one.
        table_all_skips: accuracy of the cell of skip connections alone; None where the table lacks it.
        search: fingerprint of the search.
        evaluation: fingerprint of the look-up.
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
    evaluation: str


@dataclass(frozen=True)
class AllocationRow:
    """One allocation rule at one milestone of one search without skips.

    Attributes:
        epoch: the milestone, counted from 1.
        refilled_share: share of the channels that a skip connection refills, in [0, 1].
        parameters: of the derived network.
        kendall_tau: agreement of the channel ranks with the milestone before, in [-1, 1]; None at the first.
        jaccard: overlap of the kept channels with the milestone before, in [0, 1]; None at the first.
        decided_share: share of the channels whose score stands clear of its standard error, in [0, 1]; None where
            the ranker gives no errors.
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
        precision: of a search's passes, `float32` or `bfloat16`; None for a retraining.
        device: name of the processor or GPU; None where unknown, as all below.
        host: the machine that ran it last.
        threads: torch threads.
        resumes: how often it was taken up again from a checkpoint.
        options: what of the data is asked for besides its name, as canonical JSON.
        augmentation: keys of the data mapping that are on, such as `crop and flip`.
        image_size: height and width of the images as the networks see them, such as `16x16`.
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
        look_ups: one row per epoch of every finished look-up.
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
    look_ups: tuple[LookUpRow, ...] = ()
