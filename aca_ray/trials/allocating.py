"""Ranking and allocation of a milestone's channels: from its checkpoint to files with scores and plans."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from aca_ray.channels import ChannelScores, PlanKind, agreement, allocate, rank_channels
from aca_ray.config import SearchTrial
from aca_ray.data import ImageFacts, evaluation_batches
from aca_ray.errors import CheckpointError, ConfigError, DataError, MalformedFileError, StorageError
from aca_ray.records import Agreement, AllocationFolder, AllocationSummary, PlanSummary, Question, SearchRecord
from aca_ray.retraining import Protocol
from aca_ray.space import ChannelPlan, Genotype
from aca_ray.storage import StoragePath, read_checkpoint, read_header, write_json
from aca_ray.storage.files import remove_leftovers
from aca_ray.trials.costs import retrained_cost
from aca_ray.trials.datasets import DataRef, recorded_facts
from aca_ray.trials.network_files import read_genotype, read_plan
from aca_ray.trials.searching import build_search

RANKING_BATCH = 256
_NO_PLUGINS: Mapping[str, str] = MappingProxyType({})

logger = logging.getLogger(__name__)


def allocate_milestone(
    checkpoint: StoragePath,
    folder: AllocationFolder,
    base: Path,
    *,
    ranking: str,
    plans: Sequence[PlanKind],
    protocol: Protocol,
    device: torch.device,
    previous: AllocationFolder | None = None,
    identity: tuple[str, int] | None = None,
    code: Mapping[str, str] = _NO_PLUGINS,
) -> AllocationSummary:
    """Rank the channels of a supernet checkpoint, allocate them, write scores and plans, and return the summary.

    Existing files in the folder are reused: scores of the same checkpoint and ranker are read instead of computed
    again, and existing plans are kept even if they are not requested. If nothing is missing, the checkpoint need not
    exist any more. Scores are estimated over all of search_valid; the test split is not read.

    Args:
        checkpoint: a milestone of a search.
        folder: folder for scores, genotype, plans and summary.
        base: folder that relative data paths are relative to.
        ranking: name of the ranker.
        plans: kinds of plans; milestones are compared by the first, the main one.
        protocol: retraining protocol, which sets the size of the network whose parameters and MACs are counted.
        device: device to compute on.
        previous: allocation folder of the previous milestone, to measure agreement with.
        identity: fingerprint and epoch of the checkpoint; None for those that it states.
        code: plug-ins that rank and allocate; see `Question`. What other versions of them made is not reused.

    Raises:
        CheckpointError: the file is not a valid milestone of a search, or not that of `identity`.
    """
    fingerprint, epoch = identity or _identity(search_header(checkpoint))
    main = plans[0].name
    question = Question(fingerprint, epoch, ranking, main, _counted_network(protocol), dict(code))
    known = _known_summary(folder, question)
    if known is not None and _answers(known, question, plans):
        return known
    header = search_header(checkpoint)
    if _identity(header) != (fingerprint, epoch):
        raise CheckpointError(
            f"{checkpoint}: must be epoch {epoch} of search {fingerprint}, found epoch {header['epoch']} of "
            f"{header['fingerprint']}; move it away and resume"
        )
    remove_leftovers(folder.path)
    start = time.perf_counter()
    record = SearchRecord.from_json(header["record"], checkpoint)
    assert record.data_info is not None  # the search has begun
    answer = None if known is None else _read_answer(folder, known)
    if answer is None:
        answer = _rank(checkpoint, record.trial, base, ranking, device)
        answer.scores.write_parquet(folder.scores)
        write_json(folder.genotype, answer.genotype.to_json())
    scores, genotype, made = answer.scores, answer.genotype, dict(answer.plans)
    if known is not None:
        for kind in plans:
            if not _same_code(kind, known.question, question):
                made.pop(kind.name, None)
        question = replace(question, code={**known.question.code, **question.code})
    for kind in plans:
        if kind.name not in made:
            made[kind.name] = allocate(scores, genotype, kind.rule, seed=record.trial.seed, control=kind.control)
            write_json(folder.plan(kind.name), made[kind.name].to_json())
    info = recorded_facts(record.data_info)
    summary = AllocationSummary(
        question=question,
        epoch=question.epoch,
        ranking=ranking,
        genotype=genotype,
        plans={name: _plan_summary(plan, genotype, protocol, info) for name, plan in made.items()},
        agreement=None if previous is None else _agreement(previous, scores, made[main], main),
        decided_share=scores.decided_share,
        seconds=answer.seconds + time.perf_counter() - start,
    )
    summary.write(folder)  # last: once it exists, the other files are complete
    return summary


def complete_allocation(
    folder: AllocationFolder,
    *,
    ranking: str,
    plans: Sequence[PlanKind],
    protocol: Protocol,
    identity: tuple[str, int],
    code: Mapping[str, str] = _NO_PLUGINS,
) -> AllocationSummary | None:
    """Return the summary that `allocate_milestone` would return as it is, or None if it would need the checkpoint."""
    fingerprint, epoch = identity
    question = Question(fingerprint, epoch, ranking, plans[0].name, _counted_network(protocol), dict(code))
    known = _known_summary(folder, question)
    return None if known is None or not _answers(known, question, plans) else known


def _answers(known: AllocationSummary, question: Question, plans: Sequence[PlanKind]) -> bool:
    """Return whether a summary by the same scores answers a question, with all its plans."""
    return replace(known.question, code=question.code) == question and all(
        kind.name in known.plans and _same_code(kind, known.question, question) for kind in plans
    )


def _same_code(kind: PlanKind, known: Question, question: Question) -> bool:
    """Return whether the plug-ins of a kind of plan, if any, are those of an earlier allocation."""
    own = (f"rule {kind.rule}", f"control {kind.control}")
    return all(known.code.get(name) == question.code.get(name) for name in own)


def search_header(checkpoint: StoragePath) -> dict[str, Any]:
    """Return the header of a search's checkpoint; raise CheckpointError for any other file."""
    header = read_header(checkpoint)
    if header.get("kind") != "search":
        raise CheckpointError(
            f"{checkpoint}: must be a checkpoint of a search, found kind {header.get('kind')!r}; give a milestone"
        )
    return header


def _identity(header: Mapping[str, Any]) -> tuple[str, int]:
    return header["fingerprint"], header["epoch"]


@dataclass(frozen=True)
class _Answer:
    """Scores of a milestone by one ranker, its genotype, and its plans by name.

    Attributes:
        seconds: time that earlier runs spent on it.
    """

    scores: ChannelScores
    genotype: Genotype
    plans: Mapping[str, ChannelPlan] = field(default_factory=dict)
    seconds: float = 0.0


def _read_answer(folder: AllocationFolder, summary: AllocationSummary) -> _Answer | None:
    """Return the contents of the files beside a summary, or None if one of them can't be used."""
    try:
        genotype = read_genotype(folder.genotype)
        plans = {name: read_plan(folder.plan(name), genotype) for name in summary.plans}
        scores = ChannelScores.read_parquet(folder.scores)
    except (ConfigError, DataError, StorageError) as error:
        logger.warning("%s; the channels are ranked again", error)
        return None
    return _Answer(scores, genotype, plans, summary.seconds)


def _rank(checkpoint: StoragePath, trial: SearchTrial, base: Path, ranking: str, device: torch.device) -> _Answer:
    """Return the scores of a supernet's channels."""
    _, state = read_checkpoint(checkpoint)
    data = DataRef(trial.data, base).for_search()
    # Ranking always computes in float32, whatever precision the search had.
    search = build_search(replace(trial, precision="float32"), data, device)
    search.load_state_dict(state["work"])
    mixing, genotype = search.mixing(), search.genotype()
    batches = evaluation_batches(data.valid, data.info, RANKING_BATCH, device)
    scores = rank_channels(search.network, mixing, search.space, genotype, batches, ranking, seed=trial.seed)
    return _Answer(scores, genotype)


def _counted_network(protocol: Protocol) -> dict[str, int]:
    """Return the settings of a protocol that decide parameters and MACs, as JSON."""
    return {"channels": protocol.channels, "cells": protocol.num_cells, "auxiliary_size": protocol.scale.auxiliary_size}


def _plan_summary(plan: ChannelPlan, genotype: Genotype, protocol: Protocol, info: ImageFacts) -> PlanSummary:
    cost = retrained_cost(genotype, plan, protocol, info)
    kept_share = tuple(tuple(edge.kept_fraction for edge in stage) for stage in plan.stages)
    return PlanSummary(plan.refilled_share, kept_share, cost.parameters, cost.macs)


def _known_summary(folder: AllocationFolder, question: Question) -> AllocationSummary | None:
    """Return the summary of an earlier allocation by the same scores, or None if there is no usable one."""
    if not folder.summary.exists():
        return None
    try:
        known = AllocationSummary.read(folder)
    except MalformedFileError as error:
        logger.warning("%s; the channels are ranked again", error)
        return None
    before = known.question
    same_scores = replace(before, main=question.main, network=question.network, code=question.code) == question
    ranker = f"ranker {question.ranking}"
    return known if same_scores and before.code.get(ranker) == question.code.get(ranker) else None


def _agreement(previous: AllocationFolder, scores: ChannelScores, plan: ChannelPlan, name: str) -> Agreement:
    before = ChannelScores.read_parquet(previous.scores)
    before_plan = read_plan(previous.plan(name), read_genotype(previous.genotype))
    measured = agreement(before, scores, before_plan, plan)
    return Agreement(AllocationSummary.read(previous).epoch, measured.kendall_tau, measured.jaccard)
