"""From a milestone's checkpoint to channel scores and plans, as files."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from aca_ray.channels import ChannelScores, PlanKind, agreement, allocate, rank_channels
from aca_ray.config import SearchTrial
from aca_ray.data import evaluation_batches
from aca_ray.errors import CheckpointError, MalformedFileError
from aca_ray.evaluation import Protocol
from aca_ray.pipeline.costs import retrained_cost
from aca_ray.pipeline.datasets import search_data
from aca_ray.pipeline.layout import plan_path
from aca_ray.pipeline.network_files import read_genotype, read_plan
from aca_ray.pipeline.searching import build_search
from aca_ray.space import ChannelPlan
from aca_ray.storage import StoragePath, read_checkpoint, write_json
from aca_ray.storage.allocation import read_allocation
from aca_ray.storage.files import remove_leftovers

RANKING_BATCH = 256

logger = logging.getLogger(__name__)


def allocate_milestone(
    checkpoint: StoragePath,
    folder: StoragePath,
    base: Path,
    *,
    ranking: str,
    plans: Sequence[PlanKind],
    protocol: Protocol,
    device: torch.device,
    previous: StoragePath | None = None,
) -> dict[str, Any]:
    """Rank the channels of a supernet checkpoint, allocate them in every way, write scores and plans, return the
    summary.

    A folder that already holds the answer to the same question is only read. Scores are estimated over all of
    search_valid; the test split is not touched.

    Args:
        checkpoint: a milestone of a search.
        folder: where scores.parquet, genotype.json, plan_<kind>.json and allocation.json go.
        base: folder that relative data paths are relative to.
        ranking: name of the ranker.
        plans: kinds of plans; the first is the main one, by which milestones are compared.
        protocol: gives the size of the network whose parameters and MACs are counted.
        device: where to compute.
        previous: allocation folder of the milestone before, to measure agreement with.

    Raises:
        CheckpointError: the file is no sound milestone of a search.
    """
    header, state = read_checkpoint(checkpoint)
    if header.get("kind") != "search":
        raise CheckpointError(f"{checkpoint}: is a checkpoint of kind {header.get('kind')!r}; ranking needs a search's")
    question = {
        "fingerprint": header["fingerprint"],
        "epoch": header["epoch"],
        "ranking": ranking,
        "plans": [kind.name for kind in plans],
        "protocol": protocol.name,
    }
    summary_path = folder / "allocation.json"
    known = _known_summary(summary_path)
    if known is not None and known.get("question") == question:
        return known
    remove_leftovers(folder)
    start = time.perf_counter()
    trial = SearchTrial.from_json(header["trial"])
    data = search_data(trial.data, base)
    # What is computed after a search is exact, whatever the search was.
    search = build_search(replace(trial, precision="float32"), data, device)
    search.load_state_dict(state["work"])
    mixing, genotype = search.mixing(), search.genotype()
    scores = rank_channels(
        search.network,
        mixing,
        search.space,
        genotype,
        evaluation_batches(data.valid, data.info, RANKING_BATCH, device),
        ranking,
        seed=trial.seed,
    )
    made = {kind.name: allocate(scores, genotype, kind.rule, seed=trial.seed, control=kind.control) for kind in plans}
    main = plans[0].name
    scores.write_parquet(folder / "scores.parquet")
    write_json(folder / "genotype.json", genotype.to_json())
    summary: dict[str, Any] = {
        "question": question,
        "epoch": header["epoch"],
        "ranking": ranking,
        "genotype": genotype.to_json(),
        "plans": {},
        "agreement": None if previous is None else _agreement(previous, scores, made[main], main),
        "decided_share": scores.decided_share,
    }
    for name, plan in made.items():
        write_json(plan_path(folder, name), plan.to_json())
        cost = retrained_cost(genotype, plan, protocol, data.info)
        summary["plans"][name] = {
            "refilled_share": plan.refilled_share,
            "kept_share": [[edge.kept_fraction for edge in stage] for stage in plan.stages],
            "parameters": cost.parameters,
            "macs": cost.macs,
        }
    summary["seconds"] = time.perf_counter() - start
    write_json(summary_path, summary)  # last: its presence says that the others are whole
    return summary


def _known_summary(path: StoragePath) -> dict[str, Any] | None:
    """Return the summary that an earlier ranking wrote, or None where there is none that can be used."""
    if not path.exists():
        return None
    try:
        return read_allocation(path)
    except MalformedFileError as error:
        logger.warning("%s; the channels are ranked again", error)
        return None


def _agreement(
    previous: StoragePath, scores: ChannelScores, plan: ChannelPlan, name: str
) -> dict[str, float | int | None]:
    before = ChannelScores.read_parquet(previous / "scores.parquet")
    before_plan = read_plan(plan_path(previous, name), read_genotype(previous / "genotype.json"))
    measured = agreement(before, scores, before_plan, plan)
    return {
        "previous_epoch": read_allocation(previous / "allocation.json")["epoch"],
        "kendall_tau": measured.kendall_tau,
        "jaccard": measured.jaccard,
    }
